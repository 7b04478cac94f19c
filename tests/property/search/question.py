"""A search and what it must find, told without the code under test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """`name=value` on resources of `type_name`; `holds` tells of one resource, by its JSON, whether it matches."""

    type_name: str
    name: str
    value: str
    holds: Callable[[Json], bool]

    def __str__(self) -> str:
        return f"{self.type_name}?{self.name}={self.value}"
