"""Keys of further attributes as SQL conditions on their rows; see dicomweb/index/further.py.

Spec: PS3.4 C.2.2.2 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from dicomweb.index import moments, names
from dicomweb.index.attributes import Attribute, Matching
from dicomweb.index.further import LONGEST
from dicomweb.index.further_tables import VALUES
from dicomweb.uid import check_uid
from healix_fhir.kernel.conditions import all_of, any_of
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid

Key = tuple[Attribute, str]
WILDCARD = re.compile(r"[*?]")
NUMBER = re.compile(r"[+-]?(?:\d{1,32}\.?\d{0,32}|\.\d{1,32})(?:[eE][+-]?\d{1,2})?", re.ASCII)


def absent(attribute: Attribute, owner: str) -> Fragment:
    """The condition that the entity `owner` has no value. Spec: PS3.4 C.2.2.2.7 (2024d)"""
    table = VALUES[attribute.level].name
    return Fragment(f"NOT EXISTS (SELECT 1 FROM {table} x WHERE x.pk = {owner}.pk AND x.code = %s)", (attribute.code,))


def present(keys: Sequence[Key], owner: str, *, fuzzy: bool, every: bool) -> Fragment:
    """The condition that the entity `owner` meets keys of one item, or one that is in none.

    `every`: all of several values are there, else any.
    """
    if len(keys) == 1 and every and "\\" in keys[0][1]:
        attribute, value = keys[0]
        if WILDCARD.search(value):
            raise invalid(f"{attribute.keyword} takes several values without wildcards only", code="value")
        return all_of(_present([(attribute, one)], owner, fuzzy=fuzzy) for one in value.split("\\"))
    if len(keys) == 1 and keys[0][0].matching is Matching.NAME and not fuzzy:
        attribute, value = keys[0]
        groups = [group for group in value.split("=") if group.strip("^ *")]
        return all_of(_present([(attribute, group)], owner, fuzzy=False) for group in groups)
    return _present(keys, owner, fuzzy=fuzzy)


def _present(keys: Sequence[Key], owner: str, *, fuzzy: bool) -> Fragment:
    tables, parts = [], []
    for number, (attribute, value) in enumerate(keys):
        row = f"x{number}"
        tables.append(f"{VALUES[attribute.level].name} {row}")
        same = "" if number == 0 else f" AND {row}.item = x0.item"
        parts.append(Fragment(f"{row}.pk = {owner}.pk AND {row}.code = %s{same}", (attribute.code,)))
        compare = _COMPARE[attribute.matching]
        arms = [compare(attribute, row, one.strip()) for one in _split(attribute, value)]
        parts.append(_fuzzy(row, value) if fuzzy and attribute.matching is Matching.NAME else any_of(arms))
    whole = all_of(parts)
    return Fragment(f"EXISTS (SELECT 1 FROM {', '.join(tables)} WHERE {whole.sql})", whole.params)


def _split(attribute: Attribute, value: str) -> list[str]:
    r"""The values of a list: of UIDs by commas too, else by `\`, which no value holds."""
    parts = re.split(r"[\\,]" if attribute.matching is Matching.UID else r"\\", value, maxsplit=1000)
    return [part for part in parts if part.strip()]


def _text(attribute: Attribute, row: str, value: str) -> Fragment:
    del attribute
    if WILDCARD.search(value):
        return Fragment(f"{row}.value LIKE %s", (_pattern(value),))
    return Fragment(f"{row}.value = %s", (value[:LONGEST],))


def _pattern(value: str) -> str:
    literal = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal.replace("*", "%").replace("?", "_")


def _name(attribute: Attribute, row: str, value: str) -> Fragment:
    """Each component group of a name is a value."""
    return _text(attribute, row, names.fold(value.rstrip("^ ")))


def _fuzzy(row: str, value: str) -> Fragment:
    """Every word of the key begins some word of one group of the name."""
    padded = f"' ' || translate({row}.value, '^-', '  ')"
    return all_of(
        any_of(Fragment(f"{padded} LIKE %s", (f"% {_pattern(one)}%",)) for one in spellings)
        for spellings in names.sought(value)
    )


def _uid(attribute: Attribute, row: str, value: str) -> Fragment:
    return Fragment(f"{row}.value = %s", (check_uid(value, attribute.keyword),))


def _number(attribute: Attribute, row: str, value: str) -> Fragment:
    if NUMBER.fullmatch(value) is None:
        raise invalid(f"the value of {attribute.keyword} is no number", code="value")
    return Fragment(f"{row}.number = %s::float8", (float(value),))


_READERS: Mapping[str, Callable[[str], moments.Interval]] = {
    "DA": moments.dates,
    "DT": moments.datetimes,
    "TM": lambda value: moments.checked(moments.times(value)),
}


def _date(attribute: Attribute, row: str, value: str) -> Fragment:
    reader = _READERS[attribute.vr]
    bounds: Callable[[moments.Interval], tuple[str, str]] = (
        moments.time_bounds if attribute.vr == "TM" else moments.bounds
    )
    try:
        low, high = bounds(reader(value))
    except moments.MalformedError as error:
        raise invalid(
            f"the value of {attribute.keyword} is no {attribute.vr} and no range of them", code="value"
        ) from error
    return Fragment(f"{row}.value >= %s AND {row}.value < %s", (low, high))


_COMPARE: dict[Matching, Callable[[Attribute, str, str], Fragment]] = {
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.UID: _uid,
    Matching.NUMBER: _number,
    Matching.DATE: _date,
}
