"""ECG strips in a record, on their paper: at full size a small square of the print is a millimetre.

Spec: FHIR R4, hl7.org/fhir/R4/observation-example-sample-data.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from healix_fhir.care.plot.paper import paper
from healix_fhir.care.reports.document import Block, Plot
from healix_fhir.care.reports.record.sections import MOST_STRIPS
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written
from healix_fhir.operation.measurement.measured import measured
from healix_fhir.operation.measurement.strip import strip_of

Json = dict[str, Any]
MILLIMETRE = 72 / 25.4
"""Points."""


def strips(observations: Iterable[Json], written: Written) -> Iterator[Block]:
    """A drawing of each of the newest strips among Observations."""
    say = words("record", written.language)
    found = [(reading, strip) for one in observations if (strip := strip_of(one)) and (reading := measured(one))]
    for reading, strip in sorted(found, key=lambda pair: pair[0].at, reverse=True)[:MOST_STRIPS]:
        caption = say["strip.caption"].format(when=written.moment(reading.at))
        alternative = say["strip.alternative"].format(
            seconds=written.number(round(strip.seconds, 1)),
            rate=written.number(round(1 / strip.period, 1)),
            lowest=written.number(round(strip.lowest, 2)),
            highest=written.number(round(strip.highest, 2)),
        )
        if strip.cut:
            alternative = f"{alternative} {say['strip.cut']}"
        yield Plot(paper(strip.samples, strip.period, MILLIMETRE), f"{caption} {alternative}", alternative)
