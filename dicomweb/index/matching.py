"""Attribute matching as SQL conditions: one implementation for QIDO-RS and C-FIND.

Spec: PS3.4 C.2.2.2 (2024d); PS3.18 8.3.4.1, 8.3.4.2, 8.3.4.5 and 8.3.4.6 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from dicomweb.index import grams, names, regions
from dicomweb.index import matching_further as further
from dicomweb.index.attributes import GRAMS, TIME_OF, Attribute, Level, Matching
from dicomweb.index.columns import LARGEST
from dicomweb.index.matching_moments import moments
from dicomweb.uid import check_uid
from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, any_of
from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import invalid

ALIAS = {Level.STUDY: "s", Level.SERIES: "e", Level.INSTANCE: "i"}
"""The alias of each level's table."""

WILDCARD = re.compile(r"[*?]")
LIST = re.compile(r"[\\,]")
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
EMPTY = '""'
"""The value that asks for what is empty, where Empty Value Matching is on."""
MOST_VALUES = 1000
"""Values of a list."""

Key = tuple[Attribute, str]


@dataclass(frozen=True, slots=True)
class How:
    """What a search asks for beside its keys: matching that is only done on request, and the zone of its times.

    `combined`: a date and its time are one moment, not two keys. Spec: PS3.4 C.2.2.2.5 (2024d)
    """

    fuzzy: bool = False
    empty: bool = False
    multiple: bool = False
    zone: timedelta | None = None
    combined: bool = True


PLAIN = How()


def conditions(keys: Sequence[Key], how: How = PLAIN) -> list[tuple[Level, Fragment]]:
    """The conditions of the keys, each with the level whose table it looks at; none of universal matching.

    Raises Invalid for a value that is malformed for its attribute, or when the attribute cannot be matched on.
    """
    given = [(attribute, value.strip()) for attribute, value in keys]
    asked = [(attribute, value) for attribute, value in given if not _universal(attribute, value)]
    found: list[tuple[Level, Fragment]] = []
    while asked:
        attribute, value = asked.pop(0)
        if how.empty and value == EMPTY:
            found.append((attribute.level, _empty(attribute)))
        elif "\0" in value:
            found.append((attribute.level, NOTHING))  # no character of any value
        elif attribute.code and attribute.matching is not Matching.NONE:
            same = [key for key in asked if attribute.within and _of_item(key[0], attribute)]
            asked = [key for key in asked if key not in same]
            whole = further.present(
                [(attribute, value), *same], ALIAS[attribute.level], fuzzy=how.fuzzy, every=how.multiple
            )
            found.append((attribute.level, whole))
        elif attribute.within:
            same = [key for key in asked if key[0].within == attribute.within and not key[0].code]
            asked = [key for key in asked if key not in same]
            found.append((attribute.level, _item([(attribute, value), *same])))
        elif attribute.matching is Matching.DATE:
            other = _partner(attribute, asked) if how.combined else None
            asked = [key for key in asked if key != other]
            found.append((attribute.level, moments((attribute, value), other, ALIAS[attribute.level], how.zone)))
        else:
            found.append((attribute.level, _CONDITIONS[attribute.matching](attribute, value, how)))
    return found


def _of_item(one: Attribute, other: Attribute) -> bool:
    """Whether two further attributes are of the items of one sequence."""
    return bool(one.code) and (one.level, one.within) == (other.level, other.within)


def _universal(attribute: Attribute, value: str) -> bool:
    """Whether the key matches everything. Spec: PS3.4 C.2.2.2.3 and C.2.2.2.4 (2024d)"""
    if attribute.matching is Matching.ZONE:
        return True
    return not value or (attribute.matching is not Matching.NONE and not value.strip("*"))


def _partner(attribute: Attribute, asked: Sequence[Key]) -> Key | None:
    """The key of the time that belongs to a date, or of the date that belongs to a time, among those asked."""
    wanted = {TIME_OF.get(attribute.keyword)} | {day for day, time in TIME_OF.items() if time == attribute.keyword}
    return next(((other, value) for other, value in asked if other.keyword in wanted and value != EMPTY), None)


def _empty(attribute: Attribute) -> Fragment:
    """Spec: PS3.4 C.2.2.2.7 (2024d): the attribute is absent or has no value."""
    if attribute.code:
        return further.absent(attribute, ALIAS[attribute.level])
    if regions.REGIONS in (attribute.keyword, attribute.within):
        return regions.NONE
    column = _column(attribute)
    if attribute.matching is Matching.MEMBER:
        return Fragment(f"NOT EXISTS (SELECT 1 FROM unnest({column}) v WHERE v <> '')")
    return Fragment(f"{column} IS NULL")


def _column(attribute: Attribute) -> str:
    return f"{ALIAS[attribute.level]}.{attribute.column}"


def _uid(attribute: Attribute, value: str, how: How) -> Fragment:
    """Spec: PS3.4 C.2.2.2.2 (2024d): a list of UIDs."""
    del how
    return Fragment(f"{_column(attribute)} = ANY(%s)", ([check_uid(one, attribute.keyword) for one in _list(value)],))


def _list(value: str) -> list[str]:
    found = [part.strip() for part in LIST.split(value, maxsplit=MOST_VALUES) if part.strip()]
    if len(found) > MOST_VALUES:
        raise invalid(f"a list has at most {MOST_VALUES} values", code="too-costly")
    return found


def _text(attribute: Attribute, value: str, how: How) -> Fragment:
    """Spec: PS3.4 C.2.2.2.1 and C.2.2.2.4 (2024d): the same characters, or a pattern."""
    del how
    column = _column(attribute)
    if not WILDCARD.search(value):
        return Fragment(f"{column} = %s", (value,))
    return _looked_up(attribute, WILDCARD.split(value.casefold()), Fragment(f"{column} LIKE %s", (pattern(value),)))


def _looked_up(attribute: Attribute, runs: Sequence[str], condition: Fragment) -> Fragment:
    """The condition, its rows found by the runs of letters that the value contains, where they are indexed.

    What is looked at again is written so that the planner does not take it for a second, independent condition.
    """
    if attribute.column not in GRAMS or not (found := grams.ends(attribute.column, runs)):
        return condition
    return _among(attribute, "@>", found, condition)


def _among(attribute: Attribute, operator: str, found: Sequence[int], condition: Fragment) -> Fragment:
    return all_of(
        [
            Fragment(f"{ALIAS[attribute.level]}.grams {operator} %s::int[]", (list(found),)),
            Fragment(f"coalesce({condition.sql}, FALSE)", condition.params),
        ]
    )


def pattern(value: str) -> str:
    """The LIKE pattern of a value with DICOM's wildcards."""
    literal = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal.replace("*", "%").replace("?", "_")


def _name(attribute: Attribute, value: str, how: How) -> Fragment:
    """Each component group of the key must match some group of the name, so that one script finds the other's
    patient.
    """
    if how.fuzzy:
        return _fuzzy(attribute, value)
    column = f"{_column(attribute)}_folded"
    groups = [names.fold(group.rstrip("^ ")) for group in value.split("=") if group.strip("^ ")]
    return all_of(_group(attribute, group, _in_array(column, group)) for group in groups if group.strip("*"))


def _group(attribute: Attribute, group: str, condition: Fragment) -> Fragment:
    """A name's group, found by the letters that it contains; by the first word when that is all that is given."""
    runs = WILDCARD.split(group)
    begun = names.split(runs[0])
    if begun and max(map(len, runs)) < grams.SIZE:
        return _among(attribute, "@>", [grams.beginning(attribute.column, begun[0])], condition)
    return _looked_up(attribute, runs, condition)


def _in_array(column: str, value: str) -> Fragment:
    if WILDCARD.search(value):
        return Fragment(f"EXISTS (SELECT 1 FROM unnest({column}) v WHERE v LIKE %s)", (pattern(value),))
    return Fragment(f"{column} @> ARRAY[%s]", (value,))


def _fuzzy(attribute: Attribute, value: str) -> Fragment:
    """Spec: PS3.4 C.2.2.2.1.1 (2024d); see dicomweb/index/names.py for what it means here."""
    return all_of(_begun(attribute, spellings) for spellings in names.sought(value))


def _begun(attribute: Attribute, spellings: Sequence[str]) -> Fragment:
    column = f"{_column(attribute)}_words"
    begun = Fragment(
        f"EXISTS (SELECT 1 FROM unnest({column}) v WHERE v LIKE ANY(%s))", ([f"{pattern(one)}%" for one in spellings],)
    )
    return _among(attribute, "&&", [grams.beginning(attribute.column, one) for one in spellings], begun)


def _number(attribute: Attribute, value: str, how: How) -> Fragment:
    del how
    if WHOLE.fullmatch(value) is None or abs(int(value)) > LARGEST:
        raise invalid(f"the value of {attribute.keyword} is no whole number", code="value")
    return Fragment(f"{_column(attribute)} = %s", (int(value),))


def _member(attribute: Attribute, value: str, how: How) -> Fragment:
    r"""One of several values: any of those listed, or all with Multiple Value Matching.

    Without it the standard gives lists no meaning (PS3.4 C.2.2.2.8 note 4); viewers mean any (`CT,MR`).
    """
    column, listed = _column(attribute), _list(value)
    patterns = [one for one in listed if WILDCARD.search(one)]
    if how.multiple and len(listed) > 1:
        if patterns:
            raise invalid(f"{attribute.keyword} takes several values without wildcards only", code="value")
        return Fragment(f"{column} @> %s", (listed,))
    exact = [one for one in listed if one not in patterns]
    arms = [Fragment(f"{column} && %s", (exact,))] if exact else []
    return any_of([*arms, *(_in_array(column, one) for one in patterns)]) if listed else EVERYTHING


def _item(keys: Sequence[Key]) -> Fragment:
    """Several keys of one sequence match in one item. Spec: PS3.4 C.2.2.2.6 (2024d)"""
    if keys[0][0].within == regions.REGIONS:
        columns, items = [f"r.{attribute.column}" for attribute, _ in keys], regions.OF_STUDY
    else:
        columns = [f"v{number}" for number in range(len(keys))]
        arrays = ", ".join(_column(attribute) for attribute, _ in keys)
        items = f"unnest({arrays}) q ({', '.join(columns)}) WHERE"
    parts = [
        any_of(_scalar(column, one) for one in _list(value)) for column, (_, value) in zip(columns, keys, strict=True)
    ]
    whole = all_of(parts)
    return Fragment(f"EXISTS (SELECT 1 FROM {items} {whole.sql})", whole.params)


def _scalar(column: str, value: str) -> Fragment:
    if WILDCARD.search(value):
        return Fragment(f"{column} LIKE %s", (pattern(value),))
    return Fragment(f"{column} = %s", (value,))


def _none(attribute: Attribute, value: str, how: How) -> Fragment:
    del value, how
    raise invalid(f"{attribute.keyword} is returned, but cannot be matched on", code="not-supported")


_CONDITIONS: dict[Matching, Callable[[Attribute, str, How], Fragment]] = {
    Matching.UID: _uid,
    Matching.TEXT: _text,
    Matching.NAME: _name,
    Matching.NUMBER: _number,
    Matching.MEMBER: _member,
    Matching.NONE: _none,
}
