"""Vital signs in a record: a table of what each measure was, and a plot of its course with the reference range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec.structs import replace

from healix_fhir.care.plot.chart import Chart, Room, Side, Words, chart
from healix_fhir.care.plot.series import Band, Series, Value
from healix_fhir.care.plot.series import Plot as Course
from healix_fhir.care.reports.document import Block, Column, Plot, Table
from healix_fhir.care.reports.record.sections import Period
from healix_fhir.care.reports.record.vitals import Measure, Part, Reading
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import SPACE, Written

ROOM = Room(width=490.0, height=130.0, left=52.0, right=10.0, top=8.0, bottom=24.0)
LEAST = 3
"""Fewer values than these make no course; the table has them."""
LARGEST, SMALLEST = Decimal("1e9"), Decimal("1e-6")
"""What lies beyond is no measurement that a plot could show; the table has it."""


def trends(measures: Sequence[Measure], period: Period, written: Written) -> Iterator[Block]:
    """The table, then the plots."""
    say = words("record", written.language)
    if not measures:
        return
    columns = ("measure", "latest", "when", "lowest", "highest", "values", "usual")
    shares = (2.0, 1.3, 2.0, 1.15, 1.15, 0.95, 1.7)
    heads = tuple(
        Column(say[f"col.{name}"], share, numbers=name in ("latest", "lowest", "highest", "values"))
        for name, share in zip(columns, shares, strict=True)
    )
    yield Table(heads, tuple(_row(one, part, written) for one in measures for part in one.parts))
    for measure in measures:
        plot = _plot(measure, period, written)
        if plot is not None:
            yield plot


def name_of(code: str, stored: str, written: Written) -> str:
    """What a measure is called: in the document's language where it has a word for it, else as it is stored."""
    return words("record", written.language).get(f"vital.{code}") or stored or code


def _row(measure: Measure, part: Part, written: Written) -> tuple[str, ...]:
    name = name_of(measure.code, measure.name, written)
    if part.code != measure.code:
        name = f"{name}: {name_of(part.code, part.name, written)}"
    values = [one.value for one in part.readings]
    latest, unit = part.readings[-1], f"{SPACE}{measure.unit}" if measure.unit else ""
    return (
        name,
        f"{written.number(latest.value)}{unit}",
        written.moment(latest.at),
        f"{written.number(min(values))}{unit}",
        f"{written.number(max(values))}{unit}",
        str(len(values)),
        "" if part.usual is None else written.range(part.usual.low, part.usual.high),
    )


def _plot(measure: Measure, period: Period, written: Written) -> Plot | None:
    shown = [(part, [one for one in part.readings if _is_shown(one, period)]) for part in measure.parts]
    drawn = [(part, readings) for part, readings in shown if len(readings) >= LEAST]
    if not drawn:
        return None
    say = words("record", written.language)
    course = Course(
        tuple(_series(part, readings) for part, readings in drawn),
        period.start,
        period.end,
        written.zone,
        tuple(band for part, _ in drawn if (band := _band(part)) is not None),
    )
    names = tuple(name_of(part.code, part.name, written) for part, _ in drawn)
    caption = say["plot.caption"].format(name=name_of(measure.code, measure.name, written), unit=measure.unit)
    ranges = [written.range(part.usual.low, part.usual.high) for part, _ in drawn if part.usual is not None]
    if ranges:
        caption = f"{caption} ({say['plot.usual'].format(range='; '.join(ranges))})"
    told = [
        _told(name, part, readings, measure.unit, written) for name, (part, readings) in zip(names, drawn, strict=True)
    ]
    return Plot(
        _written(chart(course, ROOM, written.tick), written), caption, " ".join(told), names if len(names) > 1 else ()
    )


def _written(drawn: Chart, written: Written) -> Chart:
    """A chart with the numbers at its ticks as the language writes them."""
    point = written.say("decimal")
    shapes = tuple(
        replace(one, text=one.text.replace(".", point)) if isinstance(one, Words) and one.side is Side.BEFORE else one
        for one in drawn.shapes
    )
    return replace(drawn, shapes=shapes)


def _is_shown(reading: Reading, period: Period) -> bool:
    size = abs(reading.value)
    return period.start <= reading.at <= period.end and (not size or SMALLEST <= size <= LARGEST)


def _series(part: Part, readings: Sequence[Reading]) -> Series:
    usual = part.usual
    return Series(
        part.code,
        tuple(
            Value(one.at, float(one.value), marked=usual is not None and not usual.holds(one.value)) for one in readings
        ),
    )


def _band(part: Part) -> Band | None:
    if part.usual is None:
        return None
    low, high = (None if one is None else float(one["value"]) for one in (part.usual.low, part.usual.high))
    return Band(low, high)


def _told(name: str, part: Part, readings: Sequence[Reading], unit: str, written: Written) -> str:
    """What a series shows, in words."""
    say = words("record", written.language)
    values = [one.value for one in readings]
    told = say["plot.alternative"].format(
        name=name,
        n=len(values),
        first=written.moment(readings[0].at),
        last=written.moment(readings[-1].at),
        latest=written.number(values[-1]),
        lowest=written.number(min(values)),
        highest=written.number(max(values)),
        unit=unit,
    )
    return f"{told} {say['plot.marked'].format(n=part.outside)}" if part.usual is not None else told
