"""The CapabilityStatement, made from what runs: the registered interactions, the search parameters that are read, the
operations that are registered, the implementation guides that are installed.

Spec: FHIR R4, hl7.org/fhir/R4/capabilitystatement.html, hl7.org/fhir/R4/http.html#capabilities
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.interaction.patch import PATCH_FORMATS
from healix_fhir.interaction.trail.criteria import CODES
from healix_fhir.interaction.trail.vocabulary import ACTIONS, BALP
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.model.custom import current, derived
from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.search.params.indexed import is_indexed
from healix_fhir.search.wholeness import lacking, not_whole

BUILT = "2026-11-29"
"""The date of this release: the statement changes with the program, with search parameters and installed packages."""

BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
"""What a server with $export instantiates. Spec: HL7 Bulk Data Access 2.0.0"""

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
NO_URIS: Mapping[str, str] = MappingProxyType({})
SYSTEM_INTERACTIONS = ("transaction", "batch", "search-system", "history-system")


class Offered(msgspec.Struct, frozen=True):
    """An operation as the statement names it; `types` are those it is for, None for all."""

    name: str
    definition: str
    levels: frozenset[str]
    types: frozenset[str] | None = None


def capabilities(
    root: str,
    operations: Sequence[Offered],
    *,
    delete_several: bool = False,
    oauth_uris: Mapping[str, str] = NO_URIS,
) -> dict[str, Any]:
    """The statement of a server at `root` (without `/fhir`); see `service.Interactions` for the other parameters."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _changed(),
        "kind": "instance",
        "instantiates": [BULK_DATA],
        "software": {"name": "Healix", "version": version("healix")},
        "implementation": {"description": "Healix: clinical data and images", "url": f"{root}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": list(PATCH_FORMATS),
        **({"implementationGuide": list(guides)} if (guides := current().guides.named) else {}),
        "rest": [
            {
                "mode": "server",
                **_documentation(),
                "security": _security(root, oauth_uris),
                "resource": [_resource(type_name, operations, delete_several) for type_name in TYPES],
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                **_operations(operations, "system"),
            }
        ],
    }


def _changed() -> str:
    """When the statement became what it is."""
    changed = current().changed
    return BUILT if changed is None else max(BUILT, changed.isoformat(timespec="milliseconds"))


def _documentation() -> dict[str, str]:
    """What is to be known while the index is written anew."""
    codes = lacking()
    return {"documentation": not_whole(codes)} if codes else {}


def _security(root: str, oauth_uris: Mapping[str, str]) -> dict[str, Any]:
    """How to get in. Spec: hl7.org/fhir/smart-app-launch/STU2.2/StructureDefinition-oauth-uris.html"""
    system = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    parts = [{"url": name, "valueUri": uri} for name, uri in oauth_uris.items()]
    return ({"extension": [{"url": OAUTH_URIS, "extension": parts}]} if parts else {}) | {
        "cors": True,
        "service": [{"coding": [{"system": system, "code": "SMART-on-FHIR"}], "text": "OAuth2 by SMART App Launch"}],
        "description": f"Every request needs a bearer token; see {root}/fhir/.well-known/smart-configuration",
    }


def _resource(type_name: str, operations: Sequence[Offered], delete_several: bool) -> dict[str, Any]:
    operations = [one for one in operations if one.types is None or type_name in one.types]
    if type_name == AUDIT_EVENT:
        return _trail() | _operations(operations, "type", "instance")
    shown = {
        "type": type_name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_name}",
        **({"supportedProfile": list(profiles)} if (profiles := current().guides.profiles.get(type_name)) else {}),
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "multiple" if delete_several else "single",
        "referencePolicy": ["literal", "logical", "local"],
    }
    return shown | _search(type_name) | _operations(operations, "type", "instance")


def _trail() -> dict[str, Any]:
    """AuditEvents are the audit trail itself: nobody writes them over REST."""
    return {
        "type": AUDIT_EVENT,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{AUDIT_EVENT}",
        "supportedProfile": sorted(f"{BALP}{who}{pattern}" for pattern in ACTIONS for who in ("", "Patient")),
        "documentation": "Written by the server itself, one for each event and patient; read and searched only.",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "readHistory": False,
        "searchParam": [
            {"name": code, "definition": parameter.url, "type": parameter.type}
            for code, parameter in sorted(search_parameters(AUDIT_EVENT).items())
            if code in CODES
        ],
    }


@derived
def _search(type_name: str) -> dict[str, Any]:
    """What of R4's parameters a search reads."""
    read = [parameter for parameter in search_parameters(type_name).values() if is_indexed(parameter)]
    includes = [f"{type_name}:{parameter.code}" for parameter in read if parameter.type == "reference"]
    shown: dict[str, Any] = {"searchInclude": ["*", *includes]} if includes else {}
    back = _referring().get(type_name)
    return (shown | {"searchRevInclude": ["*", *back]} if back else shown) | {
        "searchParam": [
            {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
            for parameter in sorted(read, key=lambda parameter: parameter.code)
        ]
    }


@derived
def _referring() -> dict[str, list[str]]:
    """By type, the references that may point to it; not those that may point to everything."""
    found: dict[str, list[str]] = {}
    for name in TYPES:
        if name == AUDIT_EVENT:
            continue
        for parameter in search_parameters(name).values():
            for target in parameter.targets if parameter.type == "reference" and is_indexed(parameter) else ():
                found.setdefault(target, []).append(f"{name}:{parameter.code}")
    return found


def _operations(operations: Sequence[Offered], *levels: str) -> dict[str, Any]:
    shown = [
        {"name": operation.name, "definition": operation.definition}
        for operation in operations
        if operation.levels & set(levels)
    ]
    return {"operation": shown} if shown else {}
