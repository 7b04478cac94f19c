"""Resources of every type with a value in every element, made from the definitions: no two elements have the same.

Only their codes are not valid: no value set has them. `seed` tells one resource from another; `turn` chooses the types
of choices, and what references point to that do not repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zlib import crc32

from healix_fhir.model.elements import PRIMITIVES, Child, Element, children, elements, is_structure
from tests.support.resources import UCUM

DEPTH = 4
LITERALS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ContactPoint": ("system", ("phone", "email")),
    "RelatedArtifact": ("type", ("composed-of", "depends-on", "derived-from", "predecessor", "successor")),
}
"""Elements whose value decides which parameter finds what stands beside it: an item is made for each."""


@dataclass(frozen=True)
class Grower:
    """Makes the resources of one seed (0, 1, …) and turn."""

    seed: int
    turn: int = 0

    def resource(self, type_name: str) -> dict[str, Any]:
        """A resource with an id that tells type, seed and turn."""
        grown = self._structure(type_name, type_name, DEPTH)
        return {**grown, "resourceType": type_name, "id": f"{type_name[:40]}-{self.seed}-{self.turn}"}

    def number(self, path: str) -> int:
        """A number for a place in a resource, far from those of other seeds."""
        return crc32(path.encode()) % 100_000 + self.seed * 1_000_000

    def word(self, path: str) -> str:
        """Letters for a place in a resource."""
        number, letters = crc32(f"{path} {self.seed}".encode()), ""
        for _ in range(6):
            number, rest = divmod(number, 20)
            letters += "bcdfghjklmnpqrstvwxz"[rest] + "aeiou"[rest % 5]
        return letters

    def moment(self, path: str) -> str:
        """A day for a place in a resource, each seed in a century of its own."""
        number = crc32(path.encode())
        return f"{19 + self.seed}{number % 100:02}-{number // 100 % 12 + 1:02}-{number // 1200 % 28 + 1:02}"

    def _structure(self, structure: str, path: str, depth: int) -> dict[str, Any]:
        made = SPECIAL.get(structure)
        if made is not None:
            return made(self, path)
        found: dict[str, Any] = {}
        for name, element in elements(structure).items():
            if element.max == 0 or name == "contained":
                continue
            for child in self._kinds(children(structure, name)):
                value = self._element(element, child, f"{path}.{child.key}", depth)
                if value:
                    found[child.key] = value if element.repeats else value[0]
        return found

    def _kinds(self, choice: Sequence[Child]) -> Sequence[Child]:
        """The type of a choice that it is this turn's; of later seeds `false`, which says that there is no other."""
        false = [child for child in choice if child.type == "boolean"] if self.seed else []
        return false or choice[self.turn % len(choice) :][:1]

    def _element(self, element: Element, child: Child, path: str, depth: int) -> list[Any]:
        if child.type == "Reference":
            return self._references(element, path)
        if child.type in PRIMITIVES:
            return [self._primitive(child.type, path)]
        if depth == 0 or not is_structure(child.structure) or child.structure == "Extension":
            return []
        name, literals = LITERALS.get(child.type, ("", ("",)))
        items = [self._structure(child.structure, f"{path}{literal}", depth - 1) for literal in literals]
        for item, literal in zip(items, literals, strict=True):
            if name:
                item[name] = literal
        return items

    def _references(self, element: Element, path: str) -> list[Any]:
        targets = [name for name in element.targets if name != "Resource"] or ["Patient", "Organization", "Encounter"]
        if not element.repeats:
            targets = [targets[self.turn % len(targets)]]
        return [{"reference": f"{name}/{self.word(path)}", "display": self.word(f"{path}.d")} for name in targets]

    def _primitive(self, type_name: str, path: str) -> Any:
        match type_name:
            case "boolean":
                return self.seed == 0
            case "integer" | "positiveInt" | "unsignedInt":
                return self.number(path)
            case "decimal":
                return Decimal(self.number(path))
            case "date":
                return self.moment(path)
            case "dateTime" | "instant":
                return f"{self.moment(path)}T10:00:00Z"
            case "time":
                return "10:00:00"
            case "uri" | "url" | "canonical":
                return f"http://{self.word(path)}.test/x"
            case _:
                return self.word(path)

    def amount(self, path: str, more: int = 0) -> dict[str, Any]:
        """A Quantity for a place in a resource."""
        return {"value": Decimal(self.number(path) + more), "system": UCUM, "code": "kg"}


Special = Callable[[Grower, str], dict[str, Any]]


def _amount(grower: Grower, path: str) -> dict[str, Any]:
    return grower.amount(path)


SPECIAL: Mapping[str, Special] = {
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _amount),
    "Location.position": lambda grower, path: {
        "latitude": Decimal(10 + 20 * grower.seed), "longitude": Decimal(10),
    },
    "Bundle.entry": lambda grower, path: {
        "fullUrl": f"http://{grower.word(path)}.test/x",
        "resource": {"resourceType": ("Composition", "MessageHeader")[grower.turn % 2], "id": grower.word(path)},
    },
    "Money": lambda grower, path: {"value": Decimal(grower.number(path)), "currency": "EUR"},
    "Period": lambda grower, path: {
        "start": f"{grower.moment(path)}T08:00:00Z", "end": f"{grower.moment(path)}T09:00:00Z",
    },
    "Range": lambda grower, path: {"low": grower.amount(path), "high": grower.amount(path, 2)},
    "SampledData": lambda grower, path: {"origin": grower.amount(path), "data": "0 2"},
    "Timing": lambda grower, path: {"event": [f"{grower.moment(path)}T10:00:00Z"]},
}  # fmt: skip
"""Structures whose elements only make sense together."""
