"""Whether a worklist item matches the keys of a request, both as DICOM JSON; pure.

Names are compared without case and accents, each component group with any of the name's; other text as it is written,
with wild cards. A date range and a time range are one range of moments. Attributes of the step match in one and the
same item.

Spec: PS3.4 C.2.2.2, K.2.2.2 and Table K.6-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dicomweb.dicomjson.reading import GROUPS, DataSet
from dicomweb.index import moments as m
from dicomweb.index.names import fold, folded, sought, words
from dicomweb.procedure.scheduled.attributes import BY_PATH, START_DATE, START_TIME, UNMATCHED
from dicomweb.procedure.scheduled.wildcards import fits
from dicomweb.uid import check_uid
from healix_fhir.kernel.errors import invalid

Member = Mapping[str, Any]
Test = Callable[[DataSet], bool]
"""Whether a data set matches."""

MOST_KEYS = 64
"""Keys with a value of one request."""
NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD"})
DATE, TIME = START_DATE.rpartition(".")[2], START_TIME.rpartition(".")[2]


def matcher(keys: DataSet, *, fuzzy: bool = False) -> Test:
    """What tells whether an item matches `keys`. Raises Invalid for a malformed value, and for too many keys.

    Keys that are not of the information model are not matched on. With `fuzzy` every word of a name that is asked for
    begins some word of the name (dicomweb/index/names.py).
    """
    parts = _tests(keys, "", fuzzy)
    if len(parts) > MOST_KEYS:
        raise invalid(f"a request may have at most {MOST_KEYS} keys with a value", code="too-costly")
    return lambda item: all(part(item) for part in parts)


def unsupported(keys: DataSet, within: str = "") -> bool:
    """Whether some key is none of the information model's."""
    for tag, member in keys.items():
        path = f"{within}{tag}"
        if path in UNMATCHED:
            continue
        if path not in BY_PATH or any(unsupported(item or {}, f"{path}.") for item in _items(member)):
            return True
    return False


def _items(member: Member) -> list[Any]:
    return list(member.get("Value", ())) if member["vr"] == "SQ" else []


def _tests(keys: DataSet, within: str, fuzzy: bool) -> list[Test]:
    span = list(_of_moment(keys, within))
    found = list(span)
    for tag, member in keys.items():
        path = f"{within}{tag}"
        if path in UNMATCHED or path not in BY_PATH or (span and path in (START_DATE, START_TIME)):
            continue
        found += (_of_sequence if member["vr"] == "SQ" else _of_value)(tag, member, path, fuzzy)
    return found


def _of_sequence(tag: str, member: Member, path: str, fuzzy: bool) -> list[Test]:
    """Spec: PS3.4 C.2.2.2.6 (2024d): the keys of one item match in one item."""
    items = _items(member)
    if len(items) > 1:
        raise invalid(f"{BY_PATH[path].keyword} of a request has one item", code="value")
    parts = _tests(items[0] or {}, f"{path}.", fuzzy) if items else []
    if not parts:
        return []
    return [lambda item: any(all(part(inner) for part in parts) for inner in _values(item, tag))]


def _of_value(tag: str, member: Member, path: str, fuzzy: bool) -> list[Test]:
    asked = [value for value in member.get("Value", ()) if value not in (None, "", {})]
    keyword = BY_PATH[path].keyword
    if not asked or _universal(member["vr"], asked):
        return []
    matches = _fuzzy(asked) if fuzzy and member["vr"] == "PN" else _matcher(member["vr"], asked, keyword)
    return [lambda item: any(matches(value) for value in _values(item, tag))]


def _universal(vr: str, asked: Sequence[Any]) -> bool:
    """Spec: PS3.4 C.2.2.2.3 and C.2.2.2.4 (2024d)"""
    if vr == "PN":
        return not any(group.strip("*^= ") for name in asked for group in name.values())
    return len(asked) == 1 and isinstance(asked[0], str) and not asked[0].strip("* ")


def _matcher(vr: str, asked: Sequence[Any], keyword: str) -> Callable[[Any], bool]:
    if vr == "PN":
        return _of_name(asked)
    if vr in ("DA", "TM"):
        return _of_time(vr, asked, keyword)
    if vr == "UI":
        uids = frozenset(check_uid(str(value).strip(), keyword) for value in asked)
        return uids.__contains__
    if vr in NUMBERS:
        numbers = {_number(value, keyword) for value in asked}
        return lambda value: _number(value, keyword) in numbers
    wanted = [str(value).strip() for value in asked]
    return lambda value: any(fits(one, str(value).strip()) for one in wanted)


def _number(value: Any, keyword: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise invalid(f"the value of {keyword} is no number", code="value") from error


def _of_name(asked: Sequence[Member]) -> Callable[[Any], bool]:
    """Each group of the key matches some group of the name. Spec: PS3.4 C.2.2.2.1 (2024d)"""
    alternatives = [[group for group in folded("=".join(name.values())) if group.strip("*")] for name in asked]

    def matches(value: Any) -> bool:
        groups = [fold(group.rstrip("^ ")) for name in GROUPS if (group := value.get(name))]
        return any(all(any(fits(one, group) for group in groups) for one in wanted) for wanted in alternatives)

    return matches


def _fuzzy(asked: Sequence[Member]) -> Callable[[Any], bool]:
    """Spec: PS3.4 C.2.2.2.1.1 (2024d)"""
    alternatives = [sought("=".join(name.values())) for name in asked]

    def matches(value: Any) -> bool:
        found = words("=".join(value.values()))
        return any(
            all(any(word.startswith(one) for word in found for one in spellings) for spellings in wanted)
            for wanted in alternatives
        )

    return matches


def _of_time(vr: str, asked: Sequence[str], keyword: str) -> Callable[[Any], bool]:
    """Spec: PS3.4 C.2.2.2.5 (2024d)"""
    wanted = _interval(vr, _single(asked, keyword), keyword)
    read = m.dates if vr == "DA" else m.times
    return lambda value: _within(_moment(read, value), wanted)


def _single(asked: Sequence[Any], keyword: str) -> str:
    if len(asked) > 1:
        raise invalid(f"{keyword} of a request has one value or one range", code="value")
    return str(asked[0]).strip()


def _interval(vr: str, value: str, keyword: str) -> m.Interval:
    try:
        return m.checked(m.dates(value) if vr == "DA" else m.times(value))
    except m.MalformedError as error:
        raise invalid(f"the value of {keyword} is no {vr} and no range of them", code="value") from error


def _moment(read: Callable[[str], m.Interval], value: Any) -> Any:
    try:
        return read(str(value)).low
    except m.MalformedError:
        return None


def _within(moment: Any, wanted: m.Interval) -> bool:
    if moment is None:
        return False
    return (wanted.low is None or moment >= wanted.low) and (wanted.high is None or moment < wanted.high)


def _of_moment(keys: DataSet, within: str) -> Iterator[Test]:
    """The date and the time at which a step begins, where both are ranges: one range of moments.

    Spec: PS3.4 Table K.6-1, Scheduled Procedure Step Start Time (2024d)
    """
    if within != f"{START_DATE.rpartition('.')[0]}.":
        return
    date, time = (_given(keys, tag) for tag in (DATE, TIME))
    if "-" not in date or "-" not in time:
        return
    span = combined(date, time)

    def inside(item: DataSet) -> bool:
        day, hour = _first(item, DATE), _first(item, TIME)
        start, clock = _moment(m.dates, day), _moment(m.times, hour or "0000")
        return start is not None and clock is not None and _within(start + (clock - m.MIDNIGHT), span)

    yield inside


def combined(date: str, time: str) -> m.Interval:
    """A range of dates and one of times as one range of moments; where an end of the times is open, its day is whole.

    Raises Invalid.
    """
    try:
        days, hours = m.dates(date), m.times(time)
        low = None if days.low is None else days.low + ((hours.low or m.MIDNIGHT) - m.MIDNIGHT)
        after = m.MIDNIGHT + m.DAY if hours.high is None else hours.high
        high = None if days.high is None else days.high - m.DAY + (after - m.MIDNIGHT)
        return m.checked(m.Interval(low, high))
    except m.MalformedError as error:
        raise invalid(
            "ScheduledProcedureStepStartDate and ScheduledProcedureStepStartTime are no range of moments", code="value"
        ) from error


def _given(keys: DataSet, tag: str) -> str:
    return _single(asked, BY_PATH[f"00400100.{tag}"].keyword) if (asked := list(_values(keys, tag))) else ""


def _first(item: DataSet, tag: str) -> str:
    return str(next(iter(_values(item, tag)), ""))


def _values(item: DataSet, tag: str) -> Iterable[Any]:
    return (value for value in item.get(tag, {}).get("Value", ()) if value not in (None, "", {}))
