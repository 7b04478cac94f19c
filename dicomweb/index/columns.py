"""From the attributes of an object to the columns of its rows.

Spec: PS3.4 C.2.2.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from dicomweb.index import grams, regions
from dicomweb.index.attributes import GRAMS, NUMERIC, SENT, Attribute, Level, values
from dicomweb.index.names import folded, words

SCHEDULED_STEP_ID, REQUESTED_PROCEDURE_ID = "00400009", "00401001"
LARGEST = (1 << 63) - 1

REMEMBERED = 128
SHORT = 4096
"""Bytes of attributes that are remembered with what is in columns of them, so that a sender of long ones takes no
memory.
"""

Columns = dict[str, Any]

OF_LEVEL: Mapping[Level, Sequence[Attribute]] = {
    level: tuple(attribute for attribute in SENT if attribute.level is level) for level in Level
}


def columns(attributes: Mapping[int, bytes], level: Level) -> Columns:
    """The columns of one level that the object itself gives; absent attributes are None.

    Those of a study and of a series come with each of their objects, so they are worked out once for all.
    """
    given = tuple(attributes.get(attribute.tag) for attribute in OF_LEVEL[level])
    long = level is Level.INSTANCE or sum(map(len, filter(None, given))) > SHORT
    found = _columns(given, level) if long else dict(_remembered(given, level))
    return found | regions.columns(attributes) if level is Level.SERIES else found


@lru_cache(maxsize=REMEMBERED)
def _remembered(given: tuple[bytes | None, ...], level: Level) -> Columns:
    return _columns(given, level)


def _columns(given: Sequence[bytes | None], level: Level) -> Columns:
    row: Columns = {}
    for attribute, encoded in zip(OF_LEVEL[level], given, strict=True):
        if attribute.vr == "SQ":
            row[attribute.column] = encoded
            row |= requests(encoded)
        elif attribute.vr == "PN":
            row[attribute.column] = _name(values(encoded))
            row[f"{attribute.column}_folded"] = folded(row[attribute.column] or "")
            row[f"{attribute.column}_words"] = words(row[attribute.column] or "")
        elif attribute.vr in NUMERIC:
            row[attribute.column] = _number(values(encoded))
        else:
            row[attribute.column] = string(encoded) or None
    if level is not Level.INSTANCE:
        row["grams"] = gram_hashes(row)
    return row


def gram_hashes(row: Columns) -> list[int]:
    """The hashes by which the texts of a row are found; see dicomweb/index/grams.py."""
    found: set[int] = set()
    for column in GRAMS & row.keys():
        texts = row.get(f"{column}_folded", [(row[column] or "").casefold()])
        found.update(*(grams.inside(column, text) for text in texts))
        found |= grams.beginnings(column, row.get(f"{column}_words", ()))
    return sorted(found)


def string(encoded: bytes | None) -> str:
    """A string attribute as its column holds it; empty when there is none."""
    if encoded is None:
        return ""
    return _joined(values(encoded)) if len(encoded) > SHORT else _remembered_string(encoded)


@lru_cache(maxsize=REMEMBERED)
def _remembered_string(encoded: bytes) -> str:
    return _joined(values(encoded))


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


def requests(encoded: bytes | None) -> Columns:
    """The identifiers of the items, empty where an item has none: what stands at one place is of one item."""
    items = [item for item in values(encoded) if isinstance(item, dict)]

    def ids(key: str) -> list[str]:
        return [_text(str(next(iter(item.get(key, {}).get("Value", ())), None) or "")) for item in items]

    return {"scheduled_step_ids": ids(SCHEDULED_STEP_ID), "requested_procedure_ids": ids(REQUESTED_PROCEDURE_ID)}


def name_attribute(name: str) -> bytes:
    """The DICOM JSON attribute of a stored person name."""
    keys = ("Alphabetic", "Ideographic", "Phonetic")
    groups = {key: group for key, group in zip(keys, name.split("="), strict=False) if group}
    return b'{"vr":"PN","Value":[' + msgspec.json.encode(groups) + b"]}"
