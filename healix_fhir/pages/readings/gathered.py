"""The readings of a time, and the summaries of its days, that somebody may see of a patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.measurement.daily import COURSES, SUMMARY, SYSTEM, Day, read
from healix_fhir.operation.measurement.measured import BY_CODE, Measured, measured
from healix_fhir.operation.measurement.metrics import LOINC, METRICS
from healix_fhir.operation.measurement.strip import Strip, strip_of
from healix_fhir.pages.readings.window import Span, Window
from healix_fhir.search.matched import Matched, conditions, matched
from healix_fhir.store.read import audit_shown
from smart_auth.access import AccessContext

OBSERVATION = "Observation"
STRIPS = 3
"""Strips of samples that one page draws."""
SAMPLED = b'"valueSampledData"'
MOST = 5000
"""Readings, and summaries, of one page; of more the newest are shown, and the page says so."""


class Gathered(msgspec.Struct, frozen=True):
    """Readings by metric and days by series, each in order of time. `cut`: there are more. `newest`: the last reading
    before the window, where that is empty. `strips`: the newest strips of the window, each with when it was taken.
    """

    readings: Mapping[str, Sequence[Measured]]
    days: Mapping[str, Sequence[Day]]
    cut: bool = False
    newest: Measured | None = None
    strips: Sequence[tuple[datetime, Strip]] = ()


def gathered(access: AccessContext, patient: str, window: Window, base: str) -> Work[Gathered]:
    """What a page shows: of a month the days, else the readings themselves. Raises Forbidden."""
    codes = ",".join(f"{LOINC}|{code}" for code in BY_CODE)
    if window.span is Span.MONTH:
        found = yield from _found(access, patient, ("category", f"{SYSTEM}|{SUMMARY}"), window, base)
        days = [day for one in found if (day := read(one.body)) is not None]
        result = Gathered({}, _by_series(days), cut=len(found) == MOST)
    else:
        found = yield from _found(access, patient, ("code", codes), window, base)
        result = Gathered(_by_metric(_readings(found)), {}, cut=len(found) == MOST, strips=_strips(found))
    if found:
        return result
    before = [("patient", f"Patient/{patient}"), ("code", codes), ("date", f"lt{instant(window.begin)}")]
    last = yield from matched(access, conditions(OBSERVATION, before, "readings", base), 1, base, cut=True)
    yield _shown(access, patient, last)
    return msgspec.structs.replace(result, newest=next(iter(_readings(last)), None))


def _found(
    access: AccessContext, patient: str, token: tuple[str, str], window: Window, base: str
) -> Work[list[Matched]]:
    """The Observations of a code or category that touch the window, the newest first."""
    end = window.end - timedelta(milliseconds=1)
    asked = [
        ("patient", f"Patient/{patient}"),
        token,
        ("date", f"ge{instant(window.begin)}"),
        ("date", f"le{instant(end)}"),
    ]
    found = yield from matched(access, conditions(OBSERVATION, asked, "readings", base), MOST, base, cut=True)
    yield _shown(access, patient, found)
    return found


def _shown(access: AccessContext, patient: str, found: Sequence[Matched]) -> Statement:
    row = AuditRow(access.origin, "E", "search-type", patient=patient, entity=OBSERVATION, query=f"patient={patient}")
    return audit_shown(row, [(OBSERVATION, one.id) for one in found])


def _readings(found: Sequence[Matched]) -> list[Measured]:
    return [one for each in found if (one := measured(decode_stored(each.body))) is not None]


def _strips(found: Sequence[Matched]) -> list[tuple[datetime, Strip]]:
    """The newest strips; `found` has the newest first."""
    strips: list[tuple[datetime, Strip]] = []
    for each in found:
        if len(strips) < STRIPS and SAMPLED in each.body:
            resource = decode_stored(each.body)
            strip, reading = strip_of(resource), measured(resource)
            if strip is not None and reading is not None:
                strips.append((reading.at, strip))
    return strips


def _by_metric(readings: Sequence[Measured]) -> Mapping[str, Sequence[Measured]]:
    """In the order of the table of metrics."""
    found: dict[str, list[Measured]] = defaultdict(list)
    for one in sorted(readings, key=lambda one: one.at):
        found[one.metric.name].append(one)
    return {name: found[name] for name in METRICS if name in found}


def _by_series(days: Sequence[Day]) -> Mapping[str, Sequence[Day]]:
    found: dict[str, list[Day]] = defaultdict(list)
    for one in sorted(days, key=lambda one: one.day):
        found[one.course.name].append(one)
    return {name: found[name] for name in COURSES if name in found}
