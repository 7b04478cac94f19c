"""The aliases under which a resource stands in a statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """Which rows an arm of a search reads: with a first instant of their main clinical date, without, or both."""

    DATED = 0
    UNDATED = 1
    ANY = 2


@dataclass(frozen=True, slots=True)
class Row:
    """The aliases that stand for one resource: `keys` has pk, pat and d, `resource` everything else.

    `spans` tells that `keys` has d_hi too, `each` that a condition on other tables is looked up row by row (for rows
    that are few, or nearly all of which fulfil it) rather than as a set. `depth` counts the links that lead here.
    """

    keys: str
    resource: str
    spans: bool
    phase: Phase = Phase.ANY
    each: bool = False
    depth: int = 0

    @property
    def d_hi(self) -> str:
        """The end of the main clinical date."""
        return f"{self.keys if self.spans else self.resource}.d_hi"

    def linked(self) -> Row:
        """The resource at the other end of a link."""
        alias = f"r{self.depth + 1}"
        return Row(alias, alias, spans=True, each=self.each, depth=self.depth + 1)
