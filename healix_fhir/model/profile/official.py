"""R4's own StructureDefinitions, ValueSets and CodeSystems, from the data of this package.

Decoded one by one, on first use.

Spec: FHIR R4, hl7.org/fhir/R4/downloads.html (4.0.1)
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from healix_fhir.model.data_files import read
from healix_fhir.model.profile.definition import Definition

VERSION = "4.0.1"
NAMESPACE = "http://hl7.org/fhir/"


@cache
def official(url: str) -> Definition | None:
    """The definition of R4 with this url (without version)."""
    raw = _structures().get(url)
    if raw is not None:
        body: dict[str, Any] = {"resourceType": "StructureDefinition", **msgspec.json.decode(raw)}
        return Definition(url, VERSION, body, official=True)
    raw = _terminology().get(url)
    if raw is None:
        return None
    body = msgspec.json.decode(raw)
    return Definition(url, body.get("version", VERSION), body, official=True)


@cache
def _structures() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("structures.json.gz"), type=dict[str, msgspec.Raw])


@cache
def _terminology() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("terminology.json.gz"), type=dict[str, msgspec.Raw])
