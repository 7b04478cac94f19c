"""What a search answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec

from healix_fhir.kernel.errors import Issue


class Hit(msgspec.Struct, frozen=True):
    """One resource of the result with its stored bytes. `mode` is Bundle.entry.search.mode."""

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes
    mode: Literal["match", "include"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of results: the matches in order, then the resources they include.

    `self` and `next` are query strings without the address; `next` is None on the last page. `total` is None unless
    asked for or known from the page. `ignored` belongs into an OperationOutcome entry of the bundle.
    """

    entries: list[Hit]
    total: int | None
    next: str | None
    self: str
    ignored: tuple[Issue, ...] = field(default=())
