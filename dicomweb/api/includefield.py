"""Which attributes of the metadata a caller wants.

Spec: PS3.18 8.3.4.3, 10.4.1.2.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dicomweb.dicomjson import dictionary
from healix_fhir.kernel.errors import invalid

Fields = dict[str, "Fields"]
"""The tags wanted, and of sequences those within; none within is all of it."""

ALWAYS = ("00080005", "00080016", "00080018", "0020000D", "0020000E")
"""Character set, SOP class and the UIDs: they say what the others are of."""
MOST = 1000
DEEPEST = 16
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fields(values: Iterable[str]) -> Fields:
    """The attributes of one or more `includefield` parameters; empty where all are wanted.

    Each is a keyword or a tag, or a path of them through sequences. Raises Invalid for a name that is neither.
    """
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    if len(names) > MOST:
        raise invalid(f"includefield may name at most {MOST} attributes", code="too-costly")
    if "all" in names:
        return {}
    wanted: Fields = {}
    for name in names:
        within, parts = wanted, name.split(".")
        if len(parts) > DEEPEST:
            raise invalid("includefield has a path that is too deep", code="value")
        for part in parts:
            within = within.setdefault(_tag(part), {})
    return wanted and {tag: {} for tag in ALWAYS} | wanted


def only(encoded: bytes, wanted: Fields) -> bytes:
    """The attributes of an encoded DICOM JSON object that are wanted."""
    members = _raw.decode(encoded)
    kept = {
        tag: _within(members[tag], wanted[tag]) if wanted[tag] else members[tag]
        for tag in sorted(wanted.keys() & members.keys())
    }
    return msgspec.json.encode(kept)


def _within(encoded: msgspec.Raw, wanted: Fields) -> Any:
    member: dict[str, Any] = msgspec.json.decode(encoded)
    return _items(member, wanted)


def _items(member: Mapping[str, Any], wanted: Fields) -> dict[str, Any]:
    """A sequence whose items have only what is wanted."""
    items = [
        {tag: _items(item[tag], wanted[tag]) if wanted[tag] else item[tag] for tag in wanted if tag in item}
        for item in member.get("Value", ())
        if isinstance(item, dict)
    ]
    return {**member, "Value": items}


def _tag(name: str) -> str:
    if len(name) == 8 and all(digit in "0123456789ABCDEFabcdef" for digit in name):
        return name.upper()
    if not (tag := dictionary.tag(name)):
        raise invalid(f"'{name[:64]}' is no attribute", code="not-supported")
    return f"{tag:08X}"
