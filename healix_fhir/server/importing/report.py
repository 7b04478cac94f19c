"""What an import did: counts, and each refused item with its reasons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from healix_fhir.kernel.errors import HealixError

LISTED = 1000


class Place(NamedTuple):
    """Where an item was found: a file, and its line from 1 where the file has lines."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        path = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        return f"{path}:{self.line}" if self.line else path


def reasons_of(error: HealixError) -> list[str]:
    """Why an item is refused, in words."""
    return [f"{', '.join(issue.expression)} {issue.message}".strip() for issue in error.issues[:10]]


@dataclass
class Report:
    """Grows while the import runs. At most `LISTED` refused items are listed; all are counted."""

    resources: int = 0
    bundles: int = 0
    instances: int = 0
    duplicates: int = 0
    resumed: int = 0
    refused: int = 0
    items: list[tuple[Place, Sequence[str]]] = field(default_factory=list)

    def count(
        self, *, resources: int = 0, bundles: int = 0, instances: int = 0, duplicates: int = 0, resumed: int = 0
    ) -> None:
        """Add what was imported; `resumed` counts files among them that a start before this one had done."""
        self.resources += resources
        self.bundles += bundles
        self.instances += instances
        self.duplicates += duplicates
        self.resumed += resumed

    def refuse(self, place: Place, error: HealixError) -> None:
        """Note one item that was not imported."""
        self.reject(place, reasons_of(error))

    def reject(self, place: Place, reasons: Sequence[str]) -> None:
        """Note one item that was not imported, with its reasons in words."""
        self.refused += 1
        if len(self.items) < LISTED:
            self.items.append((place, reasons))

    def as_json(self) -> dict[str, Any]:
        """The result of the command; refused items in the order of files and lines."""
        return {
            "resources": self.resources,
            "bundles": self.bundles,
            "instances": self.instances,
            "duplicates": self.duplicates,
            "resumed": self.resumed,
            "refused": self.refused,
            "refused_items": [{"item": str(place), "reasons": reasons} for place, reasons in sorted(self.items)],
        }
