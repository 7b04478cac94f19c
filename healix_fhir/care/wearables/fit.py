"""FIT files, as watches and scales of Garmin and others write them: their records of what we have a metric for.

A file is a list of records, each in the form that an earlier definition gives it; unknown messages and fields are
passed over by their sizes. Several files may follow each other. Heart rate variability in FIT is RMSSD, which is not
what LOINC 80404-7 means, and is left out.

Steps are counted from midnight in each kind of activity; what has been added since the last count is one reading.

Spec: FIT Protocol (developer.garmin.com/fit/protocol), FIT global profile 21
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.care.wearables.nights import Nights
from healix_fhir.kernel.errors import invalid
from healix_fhir.operation.measurement.reading import Refused

Fields = dict[str, Any]
Line = tuple[int, Fields | Refused]
EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
TYPES: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        0x00: ("B", 0xFF), 0x01: ("b", 0x7F), 0x02: ("B", 0xFF), 0x83: ("h", 0x7FFF), 0x84: ("H", 0xFFFF),
        0x85: ("i", 0x7FFFFFFF), 0x86: ("I", 0xFFFFFFFF), 0x0A: ("B", 0), 0x8B: ("H", 0), 0x8C: ("I", 0),
        0x0D: ("B", 0xFF),
    }
)  # fmt: skip
"""Base types of single numbers: how they are written, and the number that means none. FIT Protocol, table 7"""
FILE_ID, RECORD, MONITORING, WEIGHT, PRESSURE, SATURATION, SLEEP, BREATHS = 0, 20, 55, 30, 51, 269, 275, 297
SINGLE: Mapping[int, tuple[int, str, str, int]] = MappingProxyType(
    {
        RECORD: (3, "heart-rate", "/min", 1),
        WEIGHT: (0, "weight", "kg", 100),
        SATURATION: (0, "oxygen-saturation", "%", 1),
        BREATHS: (0, "respiratory-rate", "/min", 100),
    }
)
"""By message: the field of its value, the metric, the unit, and what the number is divided by."""
TIMESTAMP, SHORT_TIMESTAMP = 253, 26
CYCLES, ACTIVITY, INTENSITY, MONITORED_RATE = 3, 5, 24, 27
ON_FOOT = frozenset({1, 6})
"""Kinds of activity in which cycles are steps: running and walking."""
ASLEEP = frozenset({2, 3, 4})
"""Levels of sleep: light, deep, REM; the others are unmeasurable and awake."""
MAKERS: Mapping[int, str] = MappingProxyType({1: "Garmin", 32: "Wahoo", 123: "Polar", 23: "Suunto", 294: "Coros"})


class Form(msgspec.Struct, frozen=True):
    """A definition: the number of its message, and each field's number, place, format (none: passed over) and none."""

    message: int
    size: int
    order: str
    fields: tuple[tuple[int, int, str, int], ...]


class Fit:
    """Reads FIT files; `skipped` counts messages that hold no metric."""

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._nights = Nights()
        self._forms: dict[int, Form] = {}
        self._device = "FIT device"
        self._time = 0
        self._steps: dict[int, tuple[int, int]] = {}
        self._level: tuple[int, int] | None = None

    def lines(self, body: bytes) -> Iterator[Line]:
        """The readings, each with the number of its record. Raises Invalid where the file is no FIT file at all."""
        if len(body) < 12 or body[8:12] != b".FIT" or body[0] not in (12, 14):
            raise invalid("this is no FIT file", code="structure")
        start, number = 0, 0
        while start + 12 <= len(body) and body[start + 8 : start + 12] == b".FIT":
            head = body[start]
            end = start + head + int.from_bytes(body[start + 4 : start + 8], "little")
            self._forms.clear()
            at = start + head
            try:
                while at < min(end, len(body)):
                    number += 1
                    size, found = self._record(body, at, number)
                    yield from found
                    at += size
            except (struct.error, IndexError, KeyError):
                yield number, Refused(number, "the record cannot be read; what follows it in the file is lost")
                break
            if end + 2 > len(body):
                yield number, Refused(number, "the file is cut off")
            elif _crc(body[start:end]) != int.from_bytes(body[end : end + 2], "little"):
                yield number, Refused(number, "the check sum of the file is wrong: look at what was read of it")
            start = end + 2
        yield from self._nights.rest()

    def _record(self, body: bytes, at: int, number: int) -> tuple[int, list[Line]]:
        """The size of the record at a place, and the readings in it."""
        head = body[at]
        if head & 0x80:  # a compressed time: the lower five bits of it
            self._time += (head - self._time) & 0x1F
            form = self._forms[head >> 5 & 0x03]
        elif head & 0x40:
            form = _form(body, at + 1, developer=bool(head & 0x20))
            self._forms[head & 0x0F] = form
            return 6 + 3 * body[at + 5] + (1 + 3 * body[at + 6 + 3 * body[at + 5]] if head & 0x20 else 0), []
        else:
            form = self._forms[head & 0x0F]
        if at + 1 + form.size > len(body):
            raise IndexError
        values = {}
        for field, place, letter, none in form.fields:
            (value,) = struct.unpack_from(form.order + letter, body, at + 1 + place)
            if value != none:
                values[field] = value
        return 1 + form.size, list(self._message(form.message, values, number))

    def _message(self, message: int, values: Mapping[int, int], number: int) -> Iterator[Line]:
        if TIMESTAMP in values:
            self._time = values[TIMESTAMP]
        elif SHORT_TIMESTAMP in values and message == MONITORING:
            self._time += (values[SHORT_TIMESTAMP] - self._time) & 0xFFFF
        if message == FILE_ID:
            maker = MAKERS.get(values.get(1, 0), "FIT device")
            self._device = f"{maker} {values[3]}" if 3 in values else maker
        elif message in SINGLE:
            field, metric, unit, divisor = SINGLE[message]
            if field in values:
                yield number, self._reading(metric, Decimal(values[field]) / divisor, unit)
        elif message == PRESSURE:
            if {0, 1} <= values.keys():
                yield number, self._reading("blood-pressure", f"{values[0]}/{values[1]}", "mmHg")
        elif message == MONITORING:
            yield from self._monitored(values, number)
        elif message == SLEEP:
            yield from self._slept(values.get(0, 0), number)
        else:
            self.skipped[f"message {message}"] += 1

    def _monitored(self, values: Mapping[int, int], number: int) -> Iterator[Line]:
        if MONITORED_RATE in values:
            yield number, self._reading("heart-rate", Decimal(values[MONITORED_RATE]), "/min")
        kind = values.get(ACTIVITY, values.get(INTENSITY, 0) & 0x1F)
        if CYCLES not in values or kind not in ON_FOOT:
            return
        count = values[CYCLES]
        before, since = self._steps.get(kind, (0, self._time))
        self._steps[kind] = count, self._time
        added = count - before if count >= before else count  # it begins anew at midnight
        if added and since < self._time:
            begin = self._moment(since)
            yield number, self._reading("steps", Decimal(added), "{steps}") | {"time": begin, "end": self._moment()}

    def _slept(self, level: int, number: int) -> Iterator[Line]:
        """A level lasts until the next."""
        before, self._level = self._level, (level, self._time)
        if before is not None and before[0] in ASLEEP and before[1] < self._time:
            begin, end = (EPOCH + timedelta(seconds=seconds) for seconds in (before[1], self._time))
            yield from self._nights.phase(self._device, begin, end, number)

    def _reading(self, metric: str, value: Decimal | str, unit: str) -> Fields:
        return {"device": self._device, "metric": metric, "time": self._moment(), "value": value, "unit": unit}

    def _moment(self, seconds: int | None = None) -> str:
        return (EPOCH + timedelta(seconds=self._time if seconds is None else seconds)).isoformat()


def _form(body: bytes, at: int, *, developer: bool) -> Form:
    """The definition at a place."""
    order = ">" if body[at + 1] else "<"
    (message,) = struct.unpack_from(f"{order}H", body, at + 2)
    fields, place, count = [], 0, body[at + 4]
    for n in range(count):
        field, size, kind = body[at + 5 + 3 * n : at + 8 + 3 * n]
        letter, none = TYPES.get(kind, ("", 0))
        if letter and struct.calcsize(letter) == size:
            fields.append((field, place, letter, none))
        place += size
    if developer:
        first = at + 5 + 3 * count
        place += sum(body[first + 1 + 3 * n + 1] for n in range(body[first]))
    return Form(message, place, order, tuple(fields))


def _table() -> tuple[int, ...]:
    """The remainders of CRC-16 with the polynomial 0xA001, by byte."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)  # noqa: PLW2901 - the remainder so far
        found.append(value)
    return tuple(found)


CRC = _table()


def _crc(body: bytes) -> int:
    """The check sum of a file."""
    crc = 0
    for byte in body:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc
