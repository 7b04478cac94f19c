"""What the CapabilityStatement says of subscriptions: the guide, its topics, and where web sockets connect.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, conformance.html;
FHIR R4, hl7.org/fhir/R4/extension-capabilitystatement-websocket.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.subscription.catalogue import CATALOGUE
from healix_fhir.subscription.guide import SERVER, SUBSCRIPTION, TOPICS
from healix_fhir.subscription.known import TYPE

WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
SOCKET = "/subscriptions/websocket"
"""Where web sockets connect, below the server's root."""


def socket_url(root: str) -> str:
    """The address for web sockets of a server at `root`."""
    return f"ws{root.removeprefix('http')}{SOCKET}"


def declared(statement: dict[str, Any], root: str) -> dict[str, Any]:
    """A CapabilityStatement of a server at `root`, with what it says of subscriptions."""
    rest = statement["rest"][0]
    resources = [_subscription(one) if one["type"] == TYPE else one for one in rest["resource"]]
    websocket = {"url": WEBSOCKET, "valueUri": socket_url(root)}
    told = {"extension": [*rest.get("extension", ()), websocket]} | rest | {"resource": resources}
    return statement | {"instantiates": [*statement.get("instantiates", ()), SERVER], "rest": [told]}


def _subscription(resource: dict[str, Any]) -> dict[str, Any]:
    extensions = [{"url": TOPICS, "valueCanonical": topic.url} for topic in CATALOGUE]
    profiles = list(dict.fromkeys([*resource.get("supportedProfile", ()), SUBSCRIPTION]))
    told = {"extension": extensions, "type": TYPE, "profile": resource["profile"], "supportedProfile": profiles}
    return told | resource | {"supportedProfile": profiles}
