"""Searches of a worklist of 50,000 items: how long the database and the making of the answer take."""

from __future__ import annotations

import statistics
import time
from urllib.parse import parse_qsl

import msgspec
import psycopg
import pytest

from dicomweb.workitem.keys import keys
from dicomweb.workitem.marks import marks
from dicomweb.workitem.search import parse, search
from healix_fhir.kernel.database import run
from tests.support.study import SYSTEM
from tests.support.workitems import Members, code, members, workitem

pytestmark = pytest.mark.bench

ITEMS = 50_000
TIMES = 9
MOST = 0.020
STATION, REQUEST, CODE = (
    "ScheduledStationNameCodeSequence",
    "ReferencedRequestSequence",
    "ScheduledWorkitemCodeSequence",
)
SEARCHES = {
    "all": "",
    "rare in one item": f"{REQUEST}.AccessionNumber=A400&{REQUEST}.RequestedProcedureID=RP4",
    "rare and common": f"{REQUEST}.AccessionNumber=B400&{REQUEST}.RequestedProcedureID=RP1",
    "a station's code": f"{STATION}.CodeValue=ST4&{STATION}.CodingSchemeDesignator=99A",
    "of no item": f"{STATION}.CodeValue=ST4&{STATION}.CodingSchemeDesignator=99B",
    "of all items": f"{CODE}.CodeValue=110004&{CODE}.CodingSchemeDesignator=DCM",
    "wildcards": f"{CODE}.CodeValue=1100*&{CODE}.CodingSchemeDesignator=DCM",
    "state and days": "ProcedureStepState=SCHEDULED&ScheduledProcedureStepStartDateTime=20260301-20260401",
    "name": "PatientName=Family00400*",
    "fuzzy": "PatientName=family00400 given&fuzzymatching=true",
}


def _item(number: int) -> Members:
    study = f"1.2.826.{number // 2}"
    return workitem(
        PatientID=f"P{number % 5000}",
        PatientName=f"Family{number % 5000:05d}^Given{number % 97}",
        StudyInstanceUID=study,
        ScheduledProcedureStepStartDateTime=f"2026{number % 12 + 1:02d}{number % 28 + 1:02d}{number % 24:02d}0000",
        ScheduledStationNameCodeSequence=[code(f"ST{number % 50}", "99A"), code(f"MR{number % 7}", "99B")],
        ReferencedRequestSequence=[
            members(StudyInstanceUID=study, AccessionNumber=f"A{number}", RequestedProcedureID=f"RP{number % 9}"),
            members(StudyInstanceUID=study, AccessionNumber=f"B{number}", RequestedProcedureID="RP1"),
        ],
    )


def _fill(connection: psycopg.Connection) -> None:
    values = []
    with connection.cursor() as cursor:
        columns = "uid, patient_id, issuer, state, scheduled, dataset, marks"
        with cursor.copy(f"COPY workitem ({columns}) FROM STDIN") as copy:
            for number in range(ITEMS):
                item = _item(number)
                found = keys(item)
                values += [(f"1.2.3.{number}", key.path, list(key.item), key.value) for key in found]
                start = f"{item['00404005']['Value'][0]}000000"
                copy.write_row(
                    (f"1.2.3.{number}", "P", "", "SCHEDULED", start, msgspec.json.encode(item), list(marks(found)))
                )
        cursor.execute("CREATE TEMP TABLE given (uid text, path text, item int[], value text)")
        with cursor.copy("COPY given FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
    connection.execute(
        "INSERT INTO workitem_key SELECT w.pk, g.path, g.item, g.value FROM given g JOIN workitem w ON w.uid = g.uid"
    )
    connection.execute("VACUUM ANALYZE workitem")
    connection.execute("VACUUM ANALYZE workitem_key")


def test_searches_of_the_worklist(durable_url: str) -> None:
    """The first 50 matches of each within 20 ms."""
    with psycopg.connect(durable_url, autocommit=True) as connection:
        _fill(connection)
        medians = {}
        for name, asked in SEARCHES.items():
            query = parse(parse_qsl(f"{asked}&limit=50", keep_blank_values=True))
            times = []
            for _ in range(TIMES):
                started = time.perf_counter()
                found = run(connection, search(SYSTEM, query))
                times.append(time.perf_counter() - started)
            medians[name] = statistics.median(times)
            print(f"\n{name}: {len(found.objects)} of {ITEMS} items, {medians[name] * 1000:.1f} ms")
    assert max(medians.values()) <= MOST
