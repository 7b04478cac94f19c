"""Shapes of a plot as elements of SVG, whose looks are the style sheet's: no colour stands in the page.

Spec: SVG 2, w3.org/TR/SVG2/shapes.html
"""

from __future__ import annotations

from datetime import tzinfo

import msgspec

from healix_fhir.care.plot.chart import Area, Chart, Dot, Place, Shape, Side, Stroke
from healix_fhir.care.plot.times import Say, english
from healix_fhir.care.reports.written import Written
from healix_fhir.kernel.language.spoken import ENGLISH, language

ANCHOR = {Side.BEFORE: "end", Side.AROUND: "middle", Side.BEHIND: "start"}


class Mark(msgspec.Struct, frozen=True):
    """An element: its name, its class, and its places or its place and words."""

    element: str
    role: str
    points: str = ""
    x: str = ""
    y: str = ""
    text: str = ""
    anchor: str = ""


def tick(zone: tzinfo) -> Say:
    """How ticks of time are written in the language of the request."""
    return english if language() == ENGLISH else Written(language(), zone).tick


def marks(chart: Chart) -> list[Mark]:
    """The elements of a plot, in the order in which they are drawn."""
    return [_mark(shape) for shape in chart.shapes]


def _mark(shape: Shape) -> Mark:
    if isinstance(shape, Stroke | Area):
        element = "polyline" if isinstance(shape, Stroke) else "polygon"
        return Mark(element, _role(shape.role.value, shape.series), " ".join(map(_pair, shape.places)))
    x, y = (_short(one) for one in shape.at)
    if isinstance(shape, Dot):
        return Mark("circle", _role(shape.role.value, shape.series), x=x, y=y)
    return Mark("text", _role(shape.role.value, 0), x=x, y=y, text=shape.text, anchor=ANCHOR[shape.side])


def _role(name: str, series: int) -> str:
    return f"plot-{name} series-{series}" if series else f"plot-{name}"


def _pair(place: Place) -> str:
    return f"{_short(place[0])},{_short(place[1])}"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
