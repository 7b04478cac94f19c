"""Reports: from what was read to the PDF, the process that sets it and all."""

from __future__ import annotations

import resource
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.reports.record.composing import Manner, compose
from healix_fhir.care.reports.record.gathering import Found, Gathered
from healix_fhir.care.reports.record.sections import MOST, MOST_VALUES, SECTIONS, Period
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.care.reports.written import Written
from healix_fhir.model.json import decode_stored, encode
from tests.support.pdf import read
from tests.support.record import DOCTOR, PATIENT, START, lists, vitals

pytestmark = pytest.mark.bench

AT_MOST = 1.0
"""Seconds for a record of about ten pages."""


def gathered(entries: int, days: int) -> Gathered:
    """A record with so many entries of each kind, and three measurements on each day."""
    resources = [decode_stored(encode(one)) for one in lists()]
    found = {}
    for name, wanted in SECTIONS.items():
        of_type = [
            one for one in resources if one["resourceType"] in {each.type for each in wanted} and one["id"] != "lab"
        ]
        found[name] = Found(tuple(of_type[n % len(of_type)] for n in range(entries)) if of_type else ())
    found["vitals"] = Found(tuple(decode_stored(encode(one)) for one in vitals(days)))
    return Gathered(PATIENT, Period(START, START + timedelta(days=days + 5)), found, {"Practitioner/doc": DOCTOR})


@pytest.mark.parametrize(("entries", "days", "seconds"), [(36, 365, AT_MOST), (MOST, MOST_VALUES // 3, 10 * AT_MOST)])
def test_report(entries: int, days: int, seconds: float) -> None:
    """A record of ten pages takes a second at most; the largest that is made, with 10,000 measurements, a few."""
    record = gathered(entries, days)
    manner = Manner(Written("hi", ZoneInfo("Europe/Vienna")), START + timedelta(days=400), "Europe/Vienna")
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        document = compose(record, manner, {})
        composed = time.perf_counter() - begun
        made = pdf(document)
        took.append(time.perf_counter() - begun)
    pages = len(read(made).pages)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told = f"{min(took):.2f} s, of which {composed:.2f} composing; setting took {peak:.0f} MB at most"
    print(f"\n{pages} pages, {len(made) / 1024:.0f} kB: {told}")
    assert min(took) <= seconds
