"""Table E.1-1: what becomes of each attribute, under the Basic Profile and under each option.

`data/table.tsv` is distilled by dicomweb/deidentify/distil.py: the table of edition 2025b with all its options, and
the nine further rows of the Basic Profile that 2026c has, for which no option holds here. `data/types.tsv` has the
Types of attributes with a conditional action, in the IODs of storage classes, at the root of the data set.

Spec: PS3.15 Table E.1-1 (2026c), Table E.1-1a for the action codes
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from dicomweb.deidentify.options import Option

DATA = Path(__file__).parent / "data"
TABLE, TYPES = DATA / "table.tsv", DATA / "types.tsv"

TYPED = {
    "X/Z": {"1": "Z", "2": "Z", "3": "X"},
    "X/D": {"1": "D", "2": "D", "3": "X"},
    "Z/D": {"1": "D", "2": "Z", "3": "Z"},
    "X/Z/D": {"1": "D", "2": "Z", "3": "X"},
}
"""The action for each Type, of those that depend on it."""
UNTYPED = {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "C"}
"""The action where the Type is not known: that which suits every Type, and shows as little of what was there.

Of references to other instances the UIDs are replaced whatever their Type, so that they stay whole.
"""


class Row(msgspec.Struct, frozen=True):
    """One row: the action of the Basic Profile, and those of the options that say something."""

    basic: str
    options: Mapping[Option, str]


@cache
def rows() -> Mapping[str, Row]:
    """The rows by tag: eight hexadecimal digits, with x in repeating groups, or `privatetags`."""
    lines = TABLE.read_text().splitlines()
    columns = [Option(name) for name in lines[0].split("\t")[3:]]
    found = {}
    for line in lines[1:]:
        tag, _, basic, *actions = line.split("\t")
        found[tag] = Row(basic, {option: action for option, action in zip(columns, actions, strict=False) if action})
    return found


@cache
def _types() -> tuple[Mapping[tuple[str, str], str], frozenset[str]]:
    """The Type by tag and SOP class, and the SOP classes that are known."""
    found = {}
    for line in TYPES.read_text().splitlines():
        tag, kind, classes = line.split("\t")
        found.update(dict.fromkeys(((tag, one) for one in classes.split()), kind))
    return found, frozenset(sop for _, sop in found)


def row(tag: int) -> Row | None:
    """The row of an attribute."""
    name = f"{tag:08x}"
    found = rows()
    if name in found:
        return found[name]
    if name[:2] == "50" and tag >> 16 & 1 == 0:
        return found["50xxxxxx"]
    return found.get(f"60xx{name[4:]}") if name[:2] == "60" else None


def action(tag: int, options: frozenset[Option], sop_class: str | None) -> str | None:
    """The one action X, Z, D, U, K or C for an attribute; None for one that is not in the table.

    `sop_class` is that of the object, for attributes at its root; None for those in items. What some option keeps is
    kept, what some option cleans is cleaned, and all else is as the Basic Profile says.
    """
    found = row(tag)
    if found is None:
        return None
    said = {found.options[option] for option in options if option in found.options}
    if said:
        return "K" if "K" in said else "C"
    if found.basic not in UNTYPED:
        return found.basic
    types, classes = _types()
    if found.basic in TYPED and sop_class in classes:
        return TYPED[found.basic][types.get((f"{tag:08x}", sop_class or ""), "3")]
    return UNTYPED[found.basic]
