"""The content tree of a structured report or key object selection, as people read it.

Spec: PS3.3 C.17.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Members = Mapping[str, Any]

NAME, VALUE_TYPE, RELATION, CONTENT = "0040A043", "0040A040", "0040A010", "0040A730"
MEANING, CODE = "00080104", "00080100"
LARGEST = 100_000
"""Items of a report that are shown."""

TEXT_OF = {
    "TEXT": "0040A160",
    "PNAME": "0040A123",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "DATETIME": "0040A120",
    "UIDREF": "0040A124",
}
"""By value type, the attribute that holds the value."""


@dataclass(frozen=True, slots=True)
class Item:
    """One content item: its concept, its value as text (empty for a container), and what is below it."""

    concept: str
    value: str
    below: tuple[Item, ...]
    container: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its title, what stands at its head (names and values), and its content."""

    title: str
    head: tuple[tuple[str, str], ...]
    items: tuple[Item, ...]
    cut: bool = False


HEAD = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Born", "00100030"),
    ("Sex", "00100040"),
    ("Study", "00081030"),
    ("Study date", "00080020"),
    ("Accession number", "00080050"),
    ("Referring physician", "00080090"),
    ("Series", "0008103E"),
    ("Content date", "00080023"),
    ("Content time", "00080033"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
    ("Institution", "00080080"),
)
"""What is told of the report as a whole, where it has it."""
OBSERVERS, OBSERVER, VERIFIED = "0040A073", "0040A075", "0040A030"


def report(members: Members) -> Report:
    """The report of an instance's DICOM JSON."""
    head = [(name, text) for name, tag in HEAD if (text := _shown(members, tag))]
    for observer in _items(members, OBSERVERS):
        when = _shown(observer, VERIFIED)
        head.append(("Verified by", _shown(observer, OBSERVER) + (f", {when}" if when else "")))
    budget = [LARGEST]
    found = tuple(_item(one, budget) for one in _items(members, CONTENT) if budget[0] > 0)
    return Report(_concept(members, NAME) or "Report", tuple(head), found, cut=budget[0] <= 0)


def _item(members: Members, budget: list[int]) -> Item:
    budget[0] -= 1
    below = tuple(_item(one, budget) for one in _items(members, CONTENT) if budget[0] > 0)
    kind = _first(members, VALUE_TYPE)
    return Item(_concept(members, NAME), _value(kind, members), below, container=kind == "CONTAINER")


def _value(kind: str, members: Members) -> str:
    """The value of an item as text."""
    match kind:
        case "CODE":
            return _concept(members, "0040A168")
        case "NUM":
            return _measured(members)
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            return ", ".join(map(_reference, _items(members, "00081199")))
        case "SCOORD" | "SCOORD3D":
            return f"{_first(members, '00700023').lower()} at {_points(members)}"
        case "TCOORD":
            return _first(members, "0040A130").lower()
        case "CONTAINER":
            return ""
    if "0040DB73" in members:
        return "see item " + ".".join(str(number) for number in members["0040DB73"].get("Value", ()))
    return _shown(members, TEXT_OF[kind]) if kind in TEXT_OF else ""


def _measured(members: Members) -> str:
    values = _items(members, "0040A300")
    if not values:
        return _concept(members, "0040A301") or "not measured"
    unit = next(iter(_items(values[0], "004008EA")), {})
    code = _first(unit, CODE)
    return f"{_first(values[0], '0040A30A')} {'' if code == '1' else code or _first(unit, MEANING)}".strip()


def _reference(members: Members) -> str:
    numbers = [str(number) for number in members.get("00081160", {}).get("Value", ())]
    frames = f", frame{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}" if numbers else ""
    return f"instance {_first(members, '00081155')}{frames}"


def _points(members: Members) -> str:
    values = [f"{number:g}" for number in members.get("00700022", {}).get("Value", ()) if number is not None]
    width = 3 if _first(members, VALUE_TYPE) == "SCOORD3D" else 2
    return "; ".join(", ".join(values[at : at + width]) for at in range(0, min(len(values), 60), width))


def _concept(members: Members, tag: str) -> str:
    """The meaning of a coded concept, its code where it has none."""
    code = next(iter(_items(members, tag)), {})
    return _first(code, MEANING) or _first(code, CODE)


def _items(members: Members, tag: str) -> list[Members]:
    return [item for item in members.get(tag, {}).get("Value", ()) if isinstance(item, Mapping)]


def _first(members: Members, tag: str) -> str:
    values = members.get(tag, {}).get("Value", ())
    return str(values[0]) if values and values[0] is not None else ""


def _shown(members: Members, tag: str) -> str:
    """The value of an attribute as people write it."""
    member = members.get(tag, {})
    values = [value for value in member.get("Value", ()) if value is not None]
    return ", ".join(_written(str(member.get("vr", "")), value) for value in values)


def _written(vr: str, value: Any) -> str:
    if isinstance(value, Mapping):
        parts = str(value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or "").split("^")
        family, given, middle, prefix, suffix = (part.strip() for part in [*parts, "", "", "", "", ""][:5])
        return " ".join(part for part in (prefix, given, middle, family, suffix) if part)
    text = str(value)
    if vr == "DA" and len(text) == 8:
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if vr == "TM" and len(text) >= 4:
        return ":".join(text[at : at + 2] for at in range(0, min(len(text), 6), 2))
    if vr == "DT" and len(text) >= 12:
        return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}"
    return text
