"""Identifiers that the server makes."""

from __future__ import annotations

import re
import secrets
import uuid

LOGICAL_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#id"""


def logical_id() -> str:
    """A new resource id: a random UUID, so that ids tell nothing and never collide between nodes."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def secret() -> str:
    """A new opaque secret of 256 bits, URL-safe."""
    return secrets.token_urlsafe(32)


def is_logical_id(text: str) -> bool:
    """Whether `text` has the form of a resource id."""
    return LOGICAL_ID.fullmatch(text) is not None
