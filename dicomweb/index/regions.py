"""The anatomic region of a series, and Anatomic Regions in Study Code Sequence (0008,0063) made of those of a study.

The region is the first object's Anatomic Region Sequence, that which all frames of an enhanced object share, or what
Body Part Examined means. The standard leaves open where the regions of a study come from, and permits the union.

Spec: PS3.4 Table C.3-1 (2025a); PS3.3 C.7.6.16.2.8 and 10.5, PS3.16 Annex L (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from dicomweb.index.body_parts import body_part
from healix_fhir.kernel.database import Fragment

REGIONS = "AnatomicRegionsInStudyCodeSequence"
ANATOMIC_REGION, SHARED_GROUPS, FRAME_ANATOMY = "00082218", "52009229", "00209071"
CODES = ("00080100", "00080119", "00080120")
"""Code Value, Long Code Value and URN Code Value, of which an item has one."""
SCHEME, MEANING = "00080102", "00080104"
READ = frozenset({0x00082218, 0x52009229})
"""What is read of an object for it, beside what the index holds anyhow."""
GIVEN = (0x00082218, 0x52009229, 0x00180015, 0x00200060)
"""With Body Part Examined and Laterality."""
SHORT = 4096
"""Bytes of attributes that are remembered with what is in columns of them."""

LONGEST = 512
"""Characters of a code that is kept. Some may be of any length, and an index takes no more than 2,700 bytes."""

Item = Mapping[str, Any]
Given = tuple[bytes | None, ...]
FIELD, LINE = "\\", "\n"
"""Between the parts of a region and between regions, where they are one text; no part holds them."""

OF_STUDY = "series r WHERE r.study_pk = s.pk AND"
"""The series of a study, with their regions."""
LISTED = (
    "(SELECT string_agg(DISTINCT concat_ws(E'\\\\', r.region_code, r.region_scheme, r.region_meaning), E'\\n')"
    f" FROM {OF_STUDY} r.region_code <> '')"
)
"""The regions of a study as one text."""
UNREAD = "SELECT EXISTS (SELECT FROM series WHERE region_code IS NULL)"
"""Whether there are series whose regions were not read."""
NONE = Fragment(f"NOT EXISTS (SELECT 1 FROM {OF_STUDY} r.region_code <> '')")


class Region(NamedTuple):
    """A coded region; empty where there is none."""

    code: str = ""
    scheme: str = ""
    meaning: str = ""


def anatomic_item(members: Item) -> Item | None:
    """The item of the Anatomic Region Sequence of a decoded object, or of that which its frames share."""
    own = _first(members, ANATOMIC_REGION)
    return own or _first(_first(_first(members, SHARED_GROUPS), FRAME_ANATOMY), ANATOMIC_REGION) or None


def region(members: Item, examined: str | None, laterality: str | None) -> Region:
    """The region of a decoded object with this Body Part Examined and Laterality."""
    item = anatomic_item(members) or {}
    value = next(filter(None, (_text(item, tag) for tag in CODES)), "")
    if 0 < len(value) <= LONGEST:
        return Region(value, _text(item, SCHEME), _text(item, MEANING))
    part = None if value else body_part(examined, laterality)
    return Region(part.code, "SCT", part.meaning) if part else Region()


def columns(attributes: Mapping[int, bytes]) -> dict[str, str]:
    """The columns of a series, from the encoded attributes of an object."""
    given = tuple(attributes.get(tag) for tag in GIVEN)
    return _remembered(given) if sum(map(len, filter(None, given))) <= SHORT else _columns(given)


@lru_cache(maxsize=128)
def _remembered(given: Given) -> dict[str, str]:
    return _columns(given)


def _columns(given: Given) -> dict[str, str]:
    anatomic, shared, examined, laterality = (msgspec.json.decode(one) if one is not None else {} for one in given)
    return named(region({ANATOMIC_REGION: anatomic, SHARED_GROUPS: shared}, _only(examined), _only(laterality)))


def _only(member: Item) -> str | None:
    """The value of an attribute that has one."""
    values: Sequence[Any] = member.get("Value") or ()
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def named(found: Region) -> dict[str, str]:
    """The columns of a region."""
    return {f"region_{name}": value for name, value in found._asdict().items()}


def encoded(listed: str | None) -> bytes:
    """Listed regions as DICOM JSON: each code once."""
    found: dict[tuple[str, str], Sequence[str]] = {}
    for line in (listed or "").split(LINE):
        value, scheme, meaning = line.split(FIELD) if line else ("", "", "")
        if value:
            found.setdefault((value, scheme), (value, scheme, meaning))
    items = [
        {tag: {"vr": vr, "Value": [part]} for (tag, vr), part in zip(_parts(one[0]), one, strict=True) if part}
        for one in found.values()
    ]
    return msgspec.json.encode({"vr": "SQ", "Value": items} if items else {"vr": "SQ"})


def _parts(value: str) -> Sequence[tuple[str, str]]:
    """The attributes that an item has: which of them holds the code is a matter of what the code is.

    Spec: PS3.3 Table 8.8-1 (2024d)
    """
    if value.startswith(("urn:", "http:", "https:")):
        code = CODES[2], "UR"
    else:
        code = (CODES[0], "SH") if len(value) <= 16 else (CODES[1], "UC")
    return code, (SCHEME, "SH"), (MEANING, "LO")


def _first(members: Item, tag: str) -> Item:
    """The first item of a sequence; empty where there is none."""
    values = members.get(tag, {}).get("Value") or ()
    found = next(iter(values), None)
    return found if isinstance(found, dict) else {}


def _text(item: Item, tag: str) -> str:
    found = next(iter(item.get(tag, {}).get("Value") or ()), None)
    return " ".join(found.replace(FIELD, " ").replace("\0", "").split()) if isinstance(found, str) else ""
