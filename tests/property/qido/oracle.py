"""Attribute matching as the standard tells it, without SQL: slow, plain, and written apart from the program's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

Study = Mapping[str, str]
"""A study by keywords; what it does not have is empty. Modalities are parted by a backslash."""

TEXTS = ("PatientID", "AccessionNumber", "StudyDescription", "StudyID")


def matches(study: Study, keys: Mapping[str, str], options: Mapping[str, str]) -> bool:
    """Whether a study matches all keys, given the other parameters."""
    zone = keys.get("TimezoneOffsetFromUTC", "")
    rest = {name: value for name, value in keys.items() if name != "TimezoneOffsetFromUTC"}
    if options.get("emptyvaluematching") == "true":
        empty = [name for name, value in rest.items() if value == '""']
        if any(study[name] for name in empty):
            return False
        rest = {name: value for name, value in rest.items() if name not in empty}
    date, time = rest.pop("StudyDate", ""), rest.pop("StudyTime", "")
    return _moment(study, date, time, zone) and all(_one(study, name, value, options) for name, value in rest.items())


def _one(study: Study, name: str, value: str, options: Mapping[str, str]) -> bool:
    if not value.strip("*"):
        return True
    if name in TEXTS:
        return _like(study[name], value)
    if name == "ModalitiesInStudy":
        there, asked = study[name].split("\\"), re.split(r"[\\,]", value)
        if options.get("multiplevaluematching") == "true" and len(asked) > 1:
            return set(asked) <= set(there)
        return any(_like(one, part) for part in asked for one in there if one)
    if name == "StudyInstanceUID":
        return study[name] in re.split(r"[\\,]", value)
    assert name == "PatientName"
    if options.get("fuzzymatching") == "true":
        return _fuzzy(study[name], value)
    groups = [plain(group) for group in study[name].split("=") if group]
    return all(any(_like(group, plain(asked)) for group in groups) for asked in value.split("=") if asked.strip("*"))


def _like(value: str, pattern: str) -> bool:
    translated = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return bool(value) and re.fullmatch(translated, value, re.DOTALL) is not None


def plain(text: str) -> str:
    """Without case and accents."""
    decomposed = unicodedata.normalize("NFD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f"))


def _fuzzy(name: str, asked: str) -> bool:
    """Each word asked for begins a word of the name; hiragana and katakana are alike."""
    words = [word for group in name.split("=") for word in _words(group)]
    wanted = [word for word in re.split(r"[\s^=*?-]+", asked) if word]
    return all(any(_kana(word).startswith(_kana(plain(part))) for word in words) for part in wanted)


def _words(group: str) -> list[str]:
    parts = [plain(part) for part in re.split(r"[\s^-]+", group) if part]
    return [*parts, "".join(parts)] if any(ord(char) > 0x2000 for char in group) else parts


def _kana(text: str) -> str:
    return "".join(chr(ord(char) - 0x60) if "\u30a1" <= char <= "\u30f6" else char for char in text)


def _moment(study: Study, date: str, time: str, zone: str) -> bool:
    """Dates and times, on the clock of the query."""
    if not date and not time:
        return True
    shown_date, shown_time = study["StudyDate"], study["StudyTime"]
    if zone and study["TimezoneOffsetFromUTC"] and shown_date and shown_time:
        moment = datetime.strptime(f"{shown_date}{_full(shown_time)}+0000", "%Y%m%d%H%M%S%z")
        moment += _offset(zone) - _offset(study["TimezoneOffsetFromUTC"])
        shown_date, shown_time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    elif zone and study["TimezoneOffsetFromUTC"] and shown_time and not date:
        moment = datetime(2000, 1, 1, tzinfo=UTC) + _clock(shown_time)
        moment += _offset(zone) - _offset(study["TimezoneOffsetFromUTC"])
        shown_time = moment.strftime("%H%M%S")
    both = "-" in date and "-" in time
    if both and [not part for part in date.split("-")] == [not part for part in time.split("-")]:
        low = "".join(part.split("-")[0] for part in (date, time))
        high = "".join(part.split("-")[1] for part in (date, time))
        return bool(shown_date and shown_time) and _between(shown_date + _full(shown_time), low, high)
    return (not date or _range(shown_date, date)) and (not time or _range(_full(shown_time), time))


def _clock(time: str) -> timedelta:
    full = time.ljust(6, "0")
    return timedelta(hours=int(full[:2]), minutes=int(full[2:4]), seconds=int(full[4:]))


def _full(time: str) -> str:
    return time and time.ljust(6, "0")


def _range(value: str, asked: str) -> bool:
    low, dash, high = asked.partition("-")
    return bool(value) and _between(value, low, high if dash else low)


def _between(value: str, low: str, high: str) -> bool:
    """Compared as far as the bounds are precise."""
    return (not low or value >= low.ljust(len(value), "0")) and (not high or value[: len(high)] <= high)


def _offset(zone: str) -> timedelta:
    return int(f"{zone[0]}1") * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
