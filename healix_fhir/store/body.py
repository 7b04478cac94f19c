"""The bytes of a resource version: the caller's JSON with the id and the meta that the server sets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import zstandard

from healix_fhir.kernel.clock import instant
from healix_fhir.model.json import encode

LEVEL = 3
SERVER_SET = ("resourceType", "id", "meta")


def stamp(resource: dict[str, Any], type_name: str, id_: str, version: int, updated: datetime) -> bytes:
    """`resource` as it is stored and served: resourceType, id, meta first, all else unchanged and in order.

    Of `meta` the server sets versionId and lastUpdated and keeps the rest.
    Spec: FHIR R4, hl7.org/fhir/R4/resource.html#Meta
    """
    meta = {"versionId": str(version), "lastUpdated": instant(updated)}
    for key, value in resource.get("meta", {}).items():
        meta.setdefault(key, value)
    rest = {key: value for key, value in resource.items() if key not in SERVER_SET}
    return encode({"resourceType": type_name, "id": id_, "meta": meta} | rest)


def pack(body: bytes) -> bytes:
    """A body as history holds it."""
    return zstandard.compress(body, LEVEL) if body else b""


def unpack(packed: bytes) -> bytes:
    """The body that `pack` packed."""
    return zstandard.decompress(packed) if packed else b""
