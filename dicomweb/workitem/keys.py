"""The values that a workitem is found by, in the forms that matching compares.

Names are folded, one row for each component group, and one for each word that fuzzy matching finds them by; moments
are in UTC to the microsecond, numbers in one spelling.

Spec: PS3.4 C.2.2.2 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from dicomweb.dicomjson.reading import BINARY, GROUPS
from dicomweb.index.names import fold, words
from dicomweb.index.naming import is_private

LONGEST = 1024
"""Characters of a value that can be searched; of longer ones the beginning is."""
DT = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?([+-]\d{4})?")
WORDS = "~"
"""Ends the path of the words of a name."""
UNMATCHED = BINARY | {"SQ", "UT"}
TIMEZONE = "00080201"
OFFSET = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d")


class Key(NamedTuple):
    """One row of `workitem_key`."""

    path: str
    item: tuple[int, ...]
    value: str


def keys(dataset: Mapping[str, Any]) -> list[Key]:
    """All keys of a data set."""
    return list(dict.fromkeys(_keys(dataset, "", (), zone_of(dataset))))


def _keys(dataset: Mapping[str, Any], within: str, item: tuple[int, ...], zone: timezone) -> Iterator[Key]:
    for tag, member in dataset.items():
        vr, path = member["vr"], f"{within}{part(dataset, tag)}"
        if vr == "SQ":
            for number, inner in enumerate(member.get("Value", ())):
                yield from _keys(inner or {}, f"{path}.", (*item, number), zone)
        elif vr not in UNMATCHED:
            for value in member.get("Value", ()):
                if value is not None:
                    yield from (Key(path, item, form[:LONGEST]) for form in forms(vr, value, zone))
                if value is not None and vr == "PN":
                    yield from (Key(f"{path}{WORDS}", item, word) for word in words("=".join(value.values())))


def part(dataset: Mapping[str, Any], tag: str) -> str:
    """What an attribute of a data set is called in a path: its tag. A private one has that of block 00 and its creator,
    as the block that a creator reserves is another one in each data set. Spec: PS3.5 7.8.1 (2024d)
    """
    if not is_private(int(tag, 16)) or tag[4:6] < "10":
        return tag
    creator = dataset.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value") or [None]
    return private(tag[:4], tag[6:], creator[0]) if isinstance(creator[0], str) else tag


def private(group: str, element: str, creator: str) -> str:
    """The part of a path that is a private attribute, as `index/naming.py` writes its name."""
    return f"{group.upper()}xx{element.upper()}[{creator.strip()}]"


def zone_of(dataset: Mapping[str, Any]) -> timezone:
    """Timezone Offset From UTC of a data set; UTC where it has none."""
    values = dataset.get(TIMEZONE, {}).get("Value") or [""]
    return offset(values[0]) if isinstance(values[0], str) and OFFSET.fullmatch(values[0]) else UTC


def offset(text: str) -> timezone:
    """`+0130` as a time zone."""
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def forms(vr: str, value: Any, zone: timezone) -> list[str]:
    """What is stored of one value."""
    if vr == "PN":
        return [fold(group) for name in GROUPS if (group := value.get(name))]
    if vr == "DT":
        span = moments(value, zone)
        return [span[0]] if span is not None else []
    return [number(value)] if isinstance(value, int | float) or vr in ("DS", "IS") else [value]


def number(value: Any) -> str:
    """A number without needless digits."""
    return f"{Decimal(str(value)).normalize():f}"


def moments(value: str, zone: timezone) -> tuple[str, str] | None:
    """The first and the last microsecond that a DT value means, as digits in UTC; None when it means none.

    What is not given is open: `2024` lasts a year. A moment out of the calendar is none.
    """
    match = DT.fullmatch(value.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone_text = match.groups()
    tz = offset(zone_text) if zone_text else zone
    try:
        start = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59),
            int((fraction or ".0")[1:].ljust(6, "0")), tz,
        )  # fmt: skip
        after = _after(start, match)
        return _digits(start), _digits(after - timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return None


def _after(start: datetime, match: re.Match[str]) -> datetime:
    """The moment at which what a DT value means is over."""
    _, month, day, hour, minute, second, fraction, _ = match.groups()
    if month is None:
        return start.replace(year=start.year + 1)
    if day is None:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    if fraction is not None:
        return start + timedelta(microseconds=10 ** (7 - len(fraction)))
    unit = "days" if hour is None else "hours" if minute is None else "minutes" if second is None else "seconds"
    return start + timedelta(**{unit: 1})


def _digits(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S%f").rjust(20, "0")
