"""Readings as devices and apps send them: compact JSON, NDJSON, CSV or Parameters become values, each by itself.

A reading names `device`, `metric`, `time`, `value` and `unit`, and where it lasts `end`; a strip of samples has its
`period`, the milliseconds between two. Lines that cannot be used are told with what is wrong; the others count.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.kernel.errors import HealixError, invalid, too_large
from healix_fhir.model.json import decode, decode_array
from healix_fhir.model.primitives import PRIMITIVES
from healix_fhir.operation.measurement.metrics import METRICS, Metric, Unit
from healix_fhir.operation.reading import DECIMAL

FIELDS = ("device", "metric", "time", "value", "unit", "end", "period")
MOST = 200_000
"""Readings that one call may bring."""
AHEAD = timedelta(minutes=5)
"""How far a device's clock may be ahead."""
SAMPLES = 20_000
"""Samples of one strip: 40 seconds at 500 a second."""
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"

Fields = Mapping[str, Any]


class Reading(msgspec.Struct, frozen=True):
    """One reading; `number` is its line or place from 1, `device` what it calls its device. Times are in UTC.

    `values` has one number for each part of the metric, or the samples of a strip, `period` milliseconds apart.
    """

    number: int
    device: str
    metric: Metric
    unit: Unit
    time: datetime
    values: tuple[Decimal, ...]
    end: datetime | None = None
    period: Decimal | None = None


class Refused(msgspec.Struct, frozen=True):
    """A reading that cannot be used, and why."""

    number: int
    reason: str


def readings(content_type: str, body: bytes, moment: datetime) -> Iterator[Reading | Refused]:
    """The readings of a body that is no FHIR resource; `moment` is the present.

    Raises Invalid where the body as a whole cannot be read, TooLarge where there are too many.
    """
    lines = LINES[content_type](body)
    for count, (number, fields) in enumerate(lines):
        if count >= MOST:
            raise too_large(f"more than {MOST} readings; send them in parts")
        yield fields if isinstance(fields, Refused) else reading(number, fields, moment)


def reading(number: int, fields: Fields, moment: datetime) -> Reading | Refused:
    """The reading that `fields` tell, or why they are none."""
    try:
        return _reading(number, fields, moment)
    except HealixError as error:
        return Refused(number, error.message)


def _reading(number: int, fields: Fields, moment: datetime) -> Reading:
    unknown = next((name for name in fields if name not in FIELDS), None)
    if unknown is not None:
        raise invalid(f"there is no field '{str(unknown)[:64]}'")
    name = _text(fields, "metric")
    metric = METRICS.get(name)
    if metric is None:
        raise invalid(f"there is no metric '{name[:64]}'; there are {', '.join(METRICS)}")
    unit = metric.unit(_text(fields, "unit", needed=False))
    if unit is None:
        units = " or ".join(known.code for known in metric.units)
        raise invalid(f"{name} is not measured in '{_text(fields, 'unit')[:64]}', but in {units}")
    time, end = _time(fields, "time", moment), None
    if fields.get("end") not in (None, ""):
        end = _time(fields, "end", moment)
        if end < time:
            raise invalid("it ends before it begins")
    return Reading(
        number,
        _text(fields, "device"),
        metric,
        unit,
        time,
        _values(metric, fields.get("value")),
        end,
        _period(metric, fields),
    )


def _text(fields: Fields, name: str, *, needed: bool = True) -> str:
    value = fields.get(name)
    if value in (None, ""):
        if needed:
            raise invalid(f"'{name}' is missing")
        return ""
    if not isinstance(value, str) or len(value) > 300:
        raise invalid(f"'{name}' must be a text of at most 300 characters")
    return value.strip()


def _time(fields: Fields, name: str, moment: datetime) -> datetime:
    text = _text(fields, name)
    if "T" not in text or not PRIMITIVES["dateTime"].valid(text):
        raise invalid(f"'{name}' must be a time with its zone, as 2026-01-31T08:15:00Z, not '{text[:64]}'")
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # a leap second, or the edge of the calendar
        raise invalid(f"'{name}' cannot be kept: '{text[:64]}'") from error
    if found > moment + AHEAD:
        raise invalid(f"'{name}' lies in the future")
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _values(metric: Metric, value: Any) -> tuple[Decimal, ...]:
    """The numbers of a reading: `120/80` for a blood pressure, samples in a list or with spaces between them."""
    if value in (None, ""):
        raise invalid("'value' is missing")
    if metric.parts:
        numbers = _numbers(value.split("/") if isinstance(value, str) else value)
        if len(numbers) != len(metric.parts):
            raise invalid(f"a {metric.name} has {len(metric.parts)} values, as '120/80'")
        return numbers
    if metric.sampled:
        numbers = _numbers(value.split() if isinstance(value, str) else value)
        if not 1 < len(numbers) <= SAMPLES:
            raise invalid(f"a strip has 2 to {SAMPLES} samples")
        return numbers
    return _numbers([value])


def _numbers(values: Any) -> tuple[Decimal, ...]:
    if not isinstance(values, list):
        raise invalid("'value' must be a number, or several")
    return tuple(_number(value) for value in values)


def _number(value: Any) -> Decimal:
    if isinstance(value, Decimal | int) and not isinstance(value, bool) and DECIMAL.fullmatch(str(value)):
        return Decimal(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value.strip()):
        return Decimal(value.strip())
    raise invalid(f"'{str(value)[:64]}' is no number")


def _period(metric: Metric, fields: Fields) -> Decimal | None:
    value = fields.get("period")
    if not metric.sampled:
        if value not in (None, ""):
            raise invalid(f"a {metric.name} has no 'period'")
        return None
    if value in (None, ""):
        raise invalid("'period' is missing: the milliseconds between two samples")
    period = _number(value)
    if not 0 < period <= 60_000:
        raise invalid("'period' must be more than 0 and at most 60000 milliseconds")
    return period


Numbered = Iterator[tuple[int, Fields | Refused]]


def _json(body: bytes) -> Numbered:
    """A list of readings, or an object whose `measurements` they are."""
    if body.lstrip()[:1] == b"[":
        return _objects(decode_array(body))
    wrapped = decode(body)
    if set(wrapped) != {"measurements"} or not isinstance(wrapped["measurements"], list):
        raise invalid('the body is a list of readings, or {"measurements": [...]}', code="structure")
    return _objects(wrapped["measurements"])


def _ndjson(body: bytes) -> Numbered:
    return ndjson(body.split(b"\n"))


def ndjson(lines: Iterable[bytes | str]) -> Numbered:
    """Readings that are a line of JSON each; a line that is none is refused by itself."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, decode(line if isinstance(line, bytes) else line.encode())
        except HealixError as error:
            yield number, Refused(number, error.message)


def _objects(listed: Iterable[Any]) -> Numbered:
    for number, one in enumerate(listed, 1):
        yield number, one if isinstance(one, dict) else Refused(number, "a reading is an object with fields")


def _csv(body: bytes) -> Numbered:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid("the body is not in UTF-8", code="structure") from error
    return table(io.StringIO(text, newline=""))


def table(rows: Iterator[str]) -> Numbered:
    """Lines below a head that names the fields, with commas or semicolons between them (RFC 4180).

    Raises Invalid where the head is none.
    """
    head = next(rows, "")
    delimiter = ";" if ";" in head and "," not in head else ","
    lines = csv.reader(chain([head], rows), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(lines, [])]
    except csv.Error as error:
        raise invalid(f"the head of the table cannot be read: {error}", code="structure") from error
    unknown = [name for name in names if name not in FIELDS]
    if unknown or len(set(names)) != len(names) or not {"metric", "time", "value"} <= set(names):
        raise invalid(f"the first line names the fields: {', '.join(FIELDS)}", code="structure")
    return _rows(lines, names)


def _rows(lines: Any, names: list[str]) -> Numbered:
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            yield lines.line_num, Refused(lines.line_num, f"the line cannot be read: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        if len(cells) != len(names):
            yield lines.line_num, Refused(lines.line_num, f"the line has {len(cells)} fields, the head {len(names)}")
            continue
        yield lines.line_num, dict(zip(names, cells, strict=True))


LINES: Mapping[str, Callable[[bytes], Numbered]] = MappingProxyType({JSON: _json, NDJSON: _ndjson, CSV: _csv})
