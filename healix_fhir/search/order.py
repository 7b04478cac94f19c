"""The order of a search's results.

By default, and with `_sort` by the type's main clinical date, results are ordered by the first instant of that date;
resources without one come last, in either direction. The default is the newest first. Ties are broken by the order of
creation, in the same direction, so that every order is total and a page can go on after any row of it.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Key(Enum):
    """What results are ordered by; the value is the column."""

    DATE = "d"
    UPDATED = "updated"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Order:
    """A sort key and its direction."""

    key: Key = Key.DATE
    descending: bool = True

    @property
    def direction(self) -> str:
        """ASC or DESC."""
        return "DESC" if self.descending else "ASC"

    @property
    def after(self) -> str:
        """The comparison that holds of a row that comes after another."""
        return "<" if self.descending else ">"
