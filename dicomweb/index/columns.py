"""From the attributes of an object to the columns of its rows.

Spec: PS3.4 C.2.2.2 (2024d)
"""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec

from dicomweb.index.attributes import NUMERIC, SENT, Level, values

SCHEDULED_STEP_ID, REQUESTED_PROCEDURE_ID = "00400009", "00401001"
LARGEST = (1 << 63) - 1

Columns = dict[str, Any]


def columns(attributes: dict[int, bytes], level: Level) -> Columns:
    """The columns of one level that the object itself gives; absent attributes are None."""
    row: Columns = {}
    for attribute in SENT:
        if attribute.level is not level:
            continue
        encoded = attributes.get(attribute.tag)
        if attribute.vr == "SQ":
            row[attribute.column] = encoded
            row |= _requests(encoded)
            continue
        found = values(encoded)
        if attribute.vr == "PN":
            row[attribute.column] = _name(found)
            row[f"{attribute.column}_folded"] = folded(row[attribute.column] or "")
        elif attribute.vr in NUMERIC:
            row[attribute.column] = _number(found)
        else:
            row[attribute.column] = _joined(found) or None
    return row


def string(encoded: bytes | None) -> str:
    """A string attribute as its column holds it; empty when there is none."""
    return _joined(values(encoded))


def fold(text: str) -> str:
    """`text` without case, accents and runs of spaces, as names are compared."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(bare.casefold().split())


def folded(name: str) -> list[str]:
    """The folded component groups of a person name as PS3.5 6.2.1 writes it; trailing empty components are dropped."""
    return [fold(group.rstrip("^ ")) for group in name.split("=") if group]


def _name(found: list[Any]) -> str | None:
    """A person name as PS3.5 6.2.1 writes it."""
    if not found or not isinstance(found[0], dict):
        return None
    groups = [found[0].get(key, "") for key in ("Alphabetic", "Ideographic", "Phonetic")]
    return _text("=".join(groups).rstrip("=")) or None


def _joined(found: list[Any]) -> str:
    return _text("\\".join(map(str, found)))


def _text(value: str) -> str:
    return value.replace("\0", "").strip()  # NUL is no character of PostgreSQL's text


def _number(found: list[Any]) -> int | None:
    number = found[0] if found else None
    return number if isinstance(number, int) and abs(number) <= LARGEST else None


def _requests(encoded: bytes | None) -> Columns:
    items = [item for item in values(encoded) if isinstance(item, dict)]

    def ids(key: str) -> list[str]:
        return [_text(str(value)) for item in items for value in item.get(key, {}).get("Value", ()) if value]

    return {"scheduled_step_ids": ids(SCHEDULED_STEP_ID), "requested_procedure_ids": ids(REQUESTED_PROCEDURE_ID)}


def name_attribute(name: str) -> bytes:
    """The DICOM JSON attribute of a stored person name."""
    keys = ("Alphabetic", "Ideographic", "Phonetic")
    groups = {key: group for key, group in zip(keys, name.split("="), strict=False) if group}
    return b'{"vr":"PN","Value":[' + msgspec.json.encode(groups) + b"]}"
