"""Attribute matching as SQL conditions.

Spec: PS3.4 C.2.2.2 (2024d); PS3.18 8.3.4.1 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dicomweb.index.attributes import Attribute, Level, Matching
from dicomweb.index.columns import LARGEST, fold
from dicomweb.uid import check_uid
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid

ALIAS = {Level.STUDY: "s", Level.SERIES: "e", Level.INSTANCE: "i"}
"""The alias of each level's table."""

WILDCARD = re.compile(r"[*?]")
LIST = re.compile(r"[\\,]")
DATE = re.compile(r"\d{8}")
TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
AFTER_DIGITS = ":"
"""The character after `9`: a time given to the minute ends before it."""


def condition(attribute: Attribute, value: str, *, fuzzy: bool = False) -> Fragment | None:
    """The condition that `attribute` matches the key's `value`; None for universal matching.

    Raises Invalid for a value that is malformed for the attribute, or when the attribute cannot be matched on.
    """
    value = value.strip()
    if not value or (value == "*" and attribute.matching is not Matching.NONE):
        return None
    column = f"{ALIAS[attribute.level]}.{attribute.column}"
    if fuzzy and attribute.matching is Matching.NAME:
        return _fuzzy(f"{column}_folded", value)
    return _CONDITIONS[attribute.matching](attribute, column, value)


def _uid(attribute: Attribute, column: str, value: str) -> Fragment:
    uids = [check_uid(part.strip(), attribute.keyword) for part in LIST.split(value) if part.strip()]
    return Fragment(f"{column} = ANY(%s)", (uids,))


def _text(attribute: Attribute, column: str, value: str) -> Fragment:
    del attribute
    if "\0" in value:
        return Fragment("FALSE")
    if WILDCARD.search(value):
        return Fragment(f"{column} LIKE %s", (pattern(value),))
    return Fragment(f"{column} = %s", (value,))


def pattern(value: str) -> str:
    """The LIKE pattern of a value with DICOM's wildcards."""
    literal = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal.replace("*", "%").replace("?", "_")


def _name(attribute: Attribute, column: str, value: str) -> Fragment:
    """Each component group of the key must match some group of the name, so that one script finds the other's
    patient.
    """
    del attribute
    parts = [_in_array(f"{column}_folded", fold(group.rstrip("^ "))) for group in value.split("=") if group.strip("^ ")]
    return _all(parts) if parts else Fragment("TRUE")


def _in_array(column: str, value: str) -> Fragment:
    if "\0" in value:
        return Fragment("FALSE")
    if WILDCARD.search(value):
        return Fragment(f"EXISTS (SELECT 1 FROM unnest({column}) v WHERE v LIKE %s)", (pattern(value),))
    return Fragment(f"%s = ANY({column})", (value,))


def _fuzzy(column: str, value: str) -> Fragment:
    """Every word of the key begins some word of the name, whatever the order; that is what fuzzy matching means here.

    Spec: PS3.18 8.3.4.2 (2024d) leaves the meaning to the server
    """
    words = fold(re.sub(r"[\^=*?]", " ", value)).split()
    return _all([_in_array(f"ARRAY(SELECT ' ' || replace(w, '^', ' ') FROM unnest({column}) w)", f"* {word}*")
                 for word in words]) if words else Fragment("TRUE")  # fmt: skip


def _date(attribute: Attribute, column: str, value: str) -> Fragment:
    single = DATE if attribute.vr == "DA" else TIME
    low, dash, high = value.partition("-")
    if not dash:
        high = low
    if not (low or high) or any(part and single.fullmatch(part) is None for part in (low, high)):
        raise invalid(f"the value of {attribute.keyword} is no {attribute.vr} and no range of them", code="value")
    parts = []
    if low:
        parts.append(Fragment(f"{column} >= %s", (low,)))
    if high:
        parts.append(Fragment(f"{column} < %s", (high + AFTER_DIGITS,)))
    return _all(parts)


def _number(attribute: Attribute, column: str, value: str) -> Fragment:
    if WHOLE.fullmatch(value) is None or abs(int(value)) > LARGEST:
        raise invalid(f"the value of {attribute.keyword} is no whole number", code="value")
    return Fragment(f"{column} = %s", (int(value),))


def _member(attribute: Attribute, column: str, value: str) -> Fragment:
    del attribute
    parts = [_in_array(column, part.strip()) for part in LIST.split(value) if part.strip()]
    return Fragment(
        "(" + " OR ".join(part.sql for part in parts) + ")", tuple(param for part in parts for param in part.params)
    ) if parts else Fragment("TRUE")  # fmt: skip


def _none(attribute: Attribute, column: str, value: str) -> Fragment:
    del column, value
    raise invalid(f"{attribute.keyword} is returned, but cannot be matched on", code="not-supported")


def _all(parts: list[Fragment]) -> Fragment:
    return Fragment(" AND ".join(part.sql for part in parts), tuple(param for part in parts for param in part.params))


_CONDITIONS: dict[Matching, Callable[[Attribute, str, str], Fragment]] = {
    Matching.UID: _uid,
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.DATE: _date,
    Matching.NUMBER: _number,
    Matching.MEMBER: _member,
    Matching.NONE: _none,
}
