"""Attributes that a clinic searches by beside the usual ones: which, and their values out of an object.

A setting names them, separated by semicolons: by keyword or tag, in sequences, private ones with their creator. Where a
level stands before (`series:`) or a value representation after (`=IS`) it is taken, else those of the standard are:
`PatientComments; ProtocolName; ProcedureCodeSequence.CodeValue; series:0019xx0C[SIEMENS MR HEADER]=IS`.

A value is a row of text, in the form in which it is compared, and a number where it is one; the rows of one item of a
sequence share its place, so that keys of a sequence match in one item.

Spec: PS3.4 C.2.2.1.3 and C.2.2.2.6, PS3.5 7.8.1 (2024d)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh32_intdigest

from dicomweb.dicomjson import dictionary
from dicomweb.index import moments, names
from dicomweb.index.attributes import BY_KEYWORD, Attribute, Level, Matching
from dicomweb.index.entities import level_of
from dicomweb.index.naming import Step, canonical, steps
from dicomweb.index.stored import members, sought
from healix_fhir.kernel.errors import HealixError, invalid

SIGN = 1 << 31
SPECIFICATION = re.compile(r"(?:(study|series|instance):)?(.+?)(?:=([A-Z]{2}))?", re.ASCII)
MOST = 64
"""Attributes that a setting names."""
MOST_VALUES = 256
"""Values of one attribute of one object that are indexed."""
LONGEST = 256
"""Characters of a value that are indexed and compared."""
MATCHED: Mapping[str, Matching] = MappingProxyType(
    {
        **dict.fromkeys(("AE", "AS", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"), Matching.TEXT),
        **dict.fromkeys(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"), Matching.NUMBER),
        **dict.fromkeys(("DA", "DT", "TM"), Matching.DATE),
        "PN": Matching.NAME,
        "UI": Matching.UID,
    }
)
"""How values are compared, by their representation; those of no other one are."""


class Value(NamedTuple):
    """One value: of the attribute with a code, of an item at a place, `number` the place among the values."""

    level: int
    code: int
    item: str
    place: int
    value: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The attributes that searches match: those of the index, and further ones by canonical name."""

    further: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, name: str) -> Attribute | None:
        """The attribute with this canonical name; None when it is not indexed."""
        return BY_KEYWORD.get(name) or self.further.get(name)


BUILT_IN = Catalogue()


def read(setting: str) -> Catalogue:
    """The catalogue with the attributes that a setting names. Raises Invalid, naming what cannot be."""
    parts = [part.strip() for part in setting.split(";") if part.strip()]
    if len(parts) > MOST:
        raise invalid(f"at most {MOST} further attributes can be indexed")
    try:
        found = [_attribute(part) for part in parts]
    except HealixError as error:
        raise invalid(f"HEALIX_DICOM_ATTRIBUTES: {error.message}") from error
    return Catalogue({attribute.keyword: attribute for attribute in found})


def _attribute(text: str) -> Attribute:
    given = SPECIFICATION.fullmatch(text)
    if given is None:
        raise _refused(text, "is no attribute")
    name = canonical(given[2].strip())
    path = steps(name)
    vr = given[3] or _vr(path[-1])
    if vr not in MATCHED:
        raise _refused(text, "needs a value representation that can be compared, e.g. =LO")
    if name in BY_KEYWORD:
        raise _refused(text, "is indexed already")
    level = Level[given[1].upper()] if given[1] else level_of(name)
    code = xxh32_intdigest(f"{level} {name} {vr}".encode()) - SIGN
    within = name.rpartition(".")[0]
    return Attribute(
        level, path[0].tag, name, vr, "", MATCHED[vr], default=False, computed=True, within=within, code=code
    )


def _refused(text: str, why: str) -> HealixError:
    return invalid(f"the further attribute '{text[:80]}' {why}")


def _vr(step: Step) -> str:
    if step.creator:
        return dictionary.private(step.tag, step.creator) or ""
    return dictionary.public(step.tag) or ""


def values(catalogue: Catalogue, metadata: bytes) -> list[Value]:
    """The values that an object has of the further attributes of a catalogue."""
    if not catalogue.further:
        return []
    stored = members(metadata)
    return [
        Value(attribute.level, attribute.code, item, place, value, number)
        for attribute in catalogue.further.values()
        for item, member in sought(stored, steps(attribute.keyword))
        for place, (value, number) in enumerate(_compared(attribute.vr, member))
    ]


def _compared(vr: str, member: bytes) -> Iterator[tuple[str, float | None]]:
    """The values of an encoded attribute as they are compared. Those of another representation are none."""
    decoded = msgspec.json.decode(member)
    if MATCHED.get(decoded.get("vr", "")) is not MATCHED[vr]:
        return
    for value in decoded.get("Value", ())[:MOST_VALUES]:
        if isinstance(value, dict):
            groups = "=".join(value.get(key, "") for key in ("Alphabetic", "Ideographic", "Phonetic"))
            yield from ((group[:LONGEST], None) for group in names.folded(groups))
        elif isinstance(value, int | float):
            yield str(value)[:LONGEST], _number(value)
        elif isinstance(value, str) and value.strip():
            text = value.replace("\0", "").strip()[:LONGEST]
            yield (moments.in_utc(text) if vr == "DT" else text), _number(text) if vr in NUMERIC else None


NUMERIC = frozenset(vr for vr, matching in MATCHED.items() if matching is Matching.NUMBER)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None
