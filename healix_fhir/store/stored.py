"""What the store holds and what it is asked to change, as values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from healix_fhir.kernel.errors import Category
from healix_fhir.model.search_parameter import Defined
from healix_fhir.store.index import EMPTY, IndexRows


class Method(StrEnum):
    """How a version came to be: the method of Bundle.entry.request."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


def etag(version: int) -> str:
    """The entity tag of a version. Spec: FHIR R4, hl7.org/fhir/R4/http.html#versioning"""
    return f'W/"{version}"'


class Stored(msgspec.Struct, frozen=True):
    """One version of a resource; `body` is the JSON as it is served, empty for a deletion."""

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes

    @property
    def etag(self) -> str:
        """The entity tag."""
        return etag(self.version)


class Version(msgspec.Struct, frozen=True):
    """One entry of a resource's history; `stored.body` is empty for a deletion."""

    stored: Stored
    method: str


class Patched(msgspec.Struct, frozen=True):
    """What a patch makes: a valid resource, its index rows and what it defines."""

    resource: dict[str, Any]
    rows: IndexRows
    defines: tuple[Defined, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """One change to make. `resource` is parsed and valid (None for a deletion), `rows` its index rows.

    A `POST` carries a new id made by the server. A `PATCH` has no resource until `patch` has made it of the current
    version's body, once that is locked. `if_match` is the version that must be current; `if_absent` how the change is
    refused when the resource exists. `seen` is the version on which its caller decided: another one means to decide
    again. `defines` are the search parameters that a SearchParameter defines. With `leaves` a resource that is there
    with other content is left as it is, and the change refused. `operation` is the server's own way of making it, for
    rules by which only that may (`store.lifecycle`).
    """

    method: Method
    type: str
    id: str
    resource: dict[str, Any] | None = None
    rows: IndexRows = EMPTY
    if_match: int | None = None
    if_absent: Category | None = None
    seen: int | None = None
    patch: Callable[[bytes], Patched] | None = None
    defines: tuple[Defined, ...] = ()
    leaves: bool = False
    operation: str = ""


class Committed(msgspec.Struct, frozen=True):
    """What became of a change: the version that is now current.

    `created`: it did not exist, or was deleted. `changed`: a new version was made. `patients`: logical id and surrogate
    key of the compartments it is in. `stored` is None for the deletion of what is not there.
    """

    stored: Stored | None
    created: bool
    changed: bool
    patients: tuple[tuple[str, int], ...] = ()
