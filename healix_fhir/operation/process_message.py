"""$process-message: what a message notifies of is stored; other events are refused by name.

The message is a Bundle that begins with its MessageHeader. Its resources are stored as one transaction, each created
unless one with its identifier is there, and what they refer to in the message leads to where it is then. The header is
stored as well, under an id made of who sent it and its own: by that a message that comes again is known, and gets the
same answer without being done again.

Spec: FHIR R4, hl7.org/fhir/R4/messageheader-operation-process-message.html, hl7.org/fhir/R4/messaging.html#reliable
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import Category, HealixError, forbidden, unsupported
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Json
from healix_fhir.operation.invocation import Invocation
from healix_fhir.search.values import escape
from smart_auth.access import EVERYTHING, AccessContext
from smart_auth.scope import Permission

HEADER = "MessageHeader"
EVENTS = frozenset(
    {
        "MedicationAdministration-Complete",
        "MedicationAdministration-Recording",
        "admin-notify",
        "diagnosticreport-provide",
        "observation-provide",
    }
)
"""The codes of events that notify of something: those of R4's list that say no more than that."""
SYSTEM = "http://terminology.hl7.org/CodeSystem/message-events"
PROCESS_MESSAGE = changed(
    standard("MessageHeader-process-message"),
    f"Events are {', '.join(sorted(EVENTS))} of {SYSTEM}: the resources of the message are stored.",
)
REFUSED = frozenset({"async", "response-url"})


async def process_message(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The response message. Raises Unsupported for another event, Unprocessable for what is no message.

    It is for those who may write every MessageHeader: who is bounded chooses no ids, and would be told so or not by
    what else is wrong.
    """
    message = invocation.given.json("content")
    assert message is not None
    header = _header(message)
    _check_event(header)
    if access.predicate(HEADER, Permission.UPDATE, "r") != EVERYTHING:
        raise forbidden("the token does not allow $process-message: it takes a scope on every MessageHeader")
    own = f"{header['source']['endpoint']} {header['id']}"
    id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, own))
    try:
        await interactions.bundle(access, encode(_transaction(message, header, id_)))
    except HealixError as error:
        if error.category is not Category.PRECONDITION_FAILED or not await _came_before(interactions, access, id_):
            raise
    return encode(_response(interactions.bases[0], header, id_))


async def _came_before(interactions: Interactions, access: AccessContext, id_: str) -> bool:
    """Whether the message is stored already; a condition in it that fails is refused in the same way."""
    try:
        await interactions.read(access, HEADER, id_)
    except HealixError:
        return False
    return True


def _header(message: Json) -> Json:
    entries = message.get("entry", [])
    first: Any = entries[0].get("resource", {}) if entries else {}
    if message.get("type") != "message" or first.get("resourceType") != HEADER or "id" not in first:
        raise HealixError(
            Category.UNPROCESSABLE,
            "a message is a Bundle of type message that begins with a MessageHeader with an id",
            expression=("Bundle.entry[0].resource",),
        )
    if "endpoint" not in first.get("source", {}):
        raise HealixError(
            Category.UNPROCESSABLE,
            "a MessageHeader tells the endpoint that it comes from",
            expression=("Bundle.entry[0].resource.source.endpoint",),
        )
    for number, entry in enumerate(entries):
        if "resource" not in entry or "fullUrl" not in entry:
            raise HealixError(
                Category.UNPROCESSABLE,
                "each entry of a message has a resource with its fullUrl",
                expression=(f"Bundle.entry[{number}]",),
            )
    return dict(first)


def _check_event(header: Json) -> None:
    coding = header.get("eventCoding", {})
    event = header.get("eventUri") or f"{coding.get('system', '')}#{coding.get('code', '')}"
    if coding.get("system") != SYSTEM or coding.get("code") not in EVENTS:
        raise unsupported(f"$process-message: the event {str(event)[:200]} is not supported")
    if "response" in header:
        raise unsupported("$process-message: a response is not expected; this server sends no messages")


def _transaction(message: Json, header: Json, id_: str) -> Json:
    first, *others = message["entry"]
    entries = [
        {
            "fullUrl": first["fullUrl"],
            "resource": header | {"id": id_},
            "request": {"method": "PUT", "url": f"{HEADER}/{id_}", "ifNoneMatch": "*"},
        }
    ]
    for entry in others:
        resource = entry["resource"]
        request = {"method": "POST", "url": resource["resourceType"]} | _condition(resource)
        entries.append({"fullUrl": entry["fullUrl"], "resource": resource, "request": request})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _condition(resource: Json) -> Json:
    """By its first whole identifier a resource is known again."""
    identifiers = resource.get("identifier", [])
    for one in identifiers if isinstance(identifiers, list) else [identifiers]:
        if "system" in one and "value" in one:
            return {"ifNoneExist": urlencode({"identifier": f"{escape(one['system'])}|{escape(one['value'])}"})}
    return {}


def _response(base: str, header: Json, id_: str) -> Json:
    made = {
        "resourceType": HEADER,
        "id": str(uuid.uuid5(uuid.UUID(id_), "response")),
        "eventCoding": header["eventCoding"],
        "source": {"name": "Healix", "endpoint": base},
        "destination": [{"endpoint": header["source"]["endpoint"]}],
        "response": {"identifier": header["id"], "code": "ok"},
    }
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(uuid.UUID(id_), "message")),
        "type": "message",
        "timestamp": instant(clock.now()),
        "entry": [{"fullUrl": f"urn:uuid:{made['id']}", "resource": made}],
    }
