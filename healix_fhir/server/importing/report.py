"""What an import did: counts, and each refused item with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from healix_fhir.kernel.errors import HealixError

LISTED = 1000


@dataclass
class Report:
    """Grows while the import runs. At most `LISTED` refused items are listed; all are counted."""

    resources: int = 0
    bundles: int = 0
    instances: int = 0
    duplicates: int = 0
    refused: int = 0
    items: list[dict[str, Any]] = field(default_factory=list)

    def count(self, *, resources: int = 0, bundles: int = 0, instances: int = 0, duplicates: int = 0) -> None:
        """Add what was imported."""
        self.resources += resources
        self.bundles += bundles
        self.instances += instances
        self.duplicates += duplicates

    def refuse(self, place: str, error: HealixError) -> None:
        """Note one item that was not imported."""
        reasons = [f"{', '.join(issue.expression)} {issue.message}".strip() for issue in error.issues[:10]]
        self.reject(place, reasons)

    def reject(self, place: str, reasons: list[str]) -> None:
        """Note one item that was not imported, with its reasons in words."""
        self.refused += 1
        if len(self.items) < LISTED:
            self.items.append({"item": place, "reasons": reasons})

    def as_json(self) -> dict[str, Any]:
        """The result of the command."""
        return {
            "resources": self.resources,
            "bundles": self.bundles,
            "instances": self.instances,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "refused_items": self.items,
        }
