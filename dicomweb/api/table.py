"""Matches as a table for people and their programs: a column for each attribute, by its keyword.

Several values are parted by a backslash and the groups of a name by `=`, as DICOM writes them; a sequence stands as its
DICOM JSON.
Spec: RFC 4180; the standard defines no such form
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from dicomweb.dicomjson import dictionary

CSV = "text/csv"
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def table(encoded: Sequence[bytes]) -> bytes:
    """The table of DICOM JSON objects, its first row the keywords, or tags where there are none."""
    objects: list[dict[str, dict[str, Any]]] = [msgspec.json.decode(one) for one in encoded]
    tags = sorted({tag for one in objects for tag in one})
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([dictionary.keyword(int(tag, 16)) or tag for tag in tags])
    rows.writerows([[_cell(one.get(tag, {})) for tag in tags] for one in objects])
    return text.getvalue().encode()


def _cell(member: dict[str, Any]) -> str:
    if member.get("vr") == "SQ":
        return msgspec.json.encode(member.get("Value", [])).decode() if member.get("Value") else ""
    if "Value" not in member:
        return str(member.get("BulkDataURI") or member.get("InlineBinary") or "")
    return "\\".join(map(_value, member["Value"]))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in GROUPS).rstrip("=")
    return "" if value is None else str(value)
