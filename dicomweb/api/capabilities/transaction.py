"""What the capabilities document says of one method at one address.

Spec: PS3.18 Annex H (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of the standard: `name` as Table H-1 has it, `clause` of PS3.18, none for what it does not have.

    `takes` and `gives` are the media types of request and answer, the default first. `parameters` are those of the
    query with the values that there are, none where they are free. `done` are the statuses of success, `refused`
    those of failure.
    """

    name: str
    clause: str
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NONE)
    done: tuple[int, ...] = (200,)
    refused: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The name as an identifier."""
        return "".join(word[0].upper() + word[1:] for word in self.name.split())
