"""The bytes of a resource version: the caller's JSON with the id and the meta that the server sets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import zstandard

from healix_fhir.kernel.clock import instant
from healix_fhir.model.json import encode

LEVEL = 3


def stamp(resource: dict[str, Any], type_name: str, id_: str, version: int, updated: datetime) -> bytes:
    """`resource` as it is stored and served: resourceType, id, meta first, all else unchanged and in order.

    Of `meta` the server sets versionId and lastUpdated and keeps the rest.
    Spec: FHIR R4, hl7.org/fhir/R4/resource.html#Meta
    """
    meta = {"versionId": str(version), "lastUpdated": instant(updated)}
    for key, value in resource.get("meta", {}).items():
        meta.setdefault(key, value)
    set_by_server = {"resourceType": type_name, "id": id_, "meta": meta}
    return encode({**set_by_server, **resource, **set_by_server})


def pack(body: bytes) -> bytes:
    """A body as history holds it."""
    return zstandard.compress(body, LEVEL) if body else b""


def unpack(packed: bytes) -> bytes:
    """The body that `pack` packed."""
    return zstandard.decompress(packed) if packed else b""
