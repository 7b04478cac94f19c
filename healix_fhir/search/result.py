"""What a search answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal

import msgspec

from healix_fhir.kernel.errors import Issue


class Total(Enum):
    """How a search counts its matches."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


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

    `links` are query strings without the address by relation: `self`, and `first`, `previous`, `next`, `last` as far
    as there are such pages. `total` is None unless asked for or known from the page. `ignored` belongs into an
    OperationOutcome entry of the bundle.
    """

    entries: list[Hit]
    total: int | None
    links: dict[str, str]
    ignored: tuple[Issue, ...] = field(default=())

    @property
    def self(self) -> str:
        """The query that this page answers, without its place."""
        return self.links["self"]

    @property
    def next(self) -> str | None:
        """The query of the next page; None on the last one."""
        return self.links.get("next")
