"""Lays an ECG strip out on its paper: 25 mm/s and 10 mm/mV over squares of 1 mm and 5 mm, in rows of six seconds.

Where samples are closer than a drawing can tell, each column of a quarter of a millimetre has its lowest and its
highest: so a minute of any number of samples a second is at most some thousands of places, and no peak is lost.

Spec: AHA/ACCF/HRS 2007 recommendations for the standardization of the electrocardiogram, part I
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from healix_fhir.care.plot.chart import NEAR, Chart, Place, Role, Shape, Side, Stroke, Words

SPEED, GAIN = 25.0, 10.0
"""Millimetres for a second, and for a millivolt."""
ROW = 6.0
"""Seconds of a row: 150 mm, which a sheet of paper holds."""
LEAST, MOST = 10.0, 40.0
"""Millimetres above and below the line of 0 mV, at least and at most; what is beyond is drawn at the edge."""
LARGE = 5
"""Small squares of a large one."""
COLUMN = 0.25
HEAD = 16.0
"""Room above each row for its words, in the drawer's units."""


def paper(samples: Sequence[float | None], period: float, unit: float) -> Chart:
    """The shapes of a strip: samples in mV, `period` seconds apart; a millimetre is `unit` of the drawer's units."""
    known = [one * GAIN for one in samples if one is not None]
    top = _squares(max(known, default=0.0))
    height = top + _squares(-min(known, default=0.0))
    each = max(1, round(ROW / period))
    rows = [samples[start : start + each] for start in range(0, len(samples), each)]
    width = SPEED * ROW
    shapes: list[Shape] = []
    for number, row in enumerate(rows):
        above = number * (height * unit + HEAD) + HEAD
        shapes += _grid(width, height, unit, above)
        said = f"{number * ROW:g} s" if number else f"{SPEED:g} mm/s, {GAIN:g} mm/mV"
        shapes.append(Words(Role.TICK, (0.0, above - NEAR), said, Side.BEHIND))
        for line in _lines(row, period, top, height):
            shapes.append(Stroke(Role.TRACE, tuple((x * unit, above + y * unit) for x, y in line)))
    return Chart(width * unit, len(rows) * (height * unit + HEAD), tuple(shapes))


def _squares(reach: float) -> float:
    """Millimetres for what reaches so far, in whole large squares."""
    return min(MOST, max(LEAST, math.ceil(reach / LARGE) * LARGE))


def _grid(width: float, height: float, unit: float, above: float) -> Iterator[Shape]:
    """The squares: each direction of each size is one line to and fro, whose turns lie on the edges."""
    for role, step in ((Role.SMALL, 1), (Role.LARGE, LARGE)):
        across, down = round(width / step), round(height / step)
        columns = [(n * step, end) for n in range(across + 1) for end in ((0, height) if n % 2 else (height, 0))]
        rows = [(end, n * step) for n in range(down + 1) for end in ((0, width) if n % 2 else (width, 0))]
        for places in (columns, rows):
            yield Stroke(role, tuple((x * unit, above + y * unit) for x, y in places))


def _lines(row: Sequence[float | None], period: float, top: float, height: float) -> Iterator[list[Place]]:
    """The trace of a row in millimetres, with breaks where there are no samples."""
    places = [
        None if value is None else (number * period * SPEED, min(height, max(0.0, top - value * GAIN)))
        for number, value in enumerate(row)
    ]
    for there, run in groupby(places, lambda place: place is not None):
        if there:
            yield [*_thinned(one for one in run if one is not None)]


def _thinned(run: Iterable[Place]) -> Iterator[Place]:
    """Of the places of each column the highest and the lowest, in the order in which they came."""
    for _, column in groupby(run, lambda place: int(place[0] / COLUMN)):
        places = [*column]
        ends = {min(places, key=lambda place: place[1]), max(places, key=lambda place: place[1])}
        yield from sorted(ends)
