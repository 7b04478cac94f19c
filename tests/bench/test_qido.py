"""Searches of 100,000 studies and of a million instances: how long the database and the making of the answer take."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

import pytest
from psycopg import Connection

from dicomweb.index.attributes import Level
from dicomweb.index.regions import REGIONS
from dicomweb.study.parameters import parse
from dicomweb.study.query import count, query
from healix_fhir.kernel.database import Row, open_pool, run
from tests.support.studies_at_scale import fill, uid
from tests.support.study import SYSTEM

pytestmark = pytest.mark.bench

STUDIES = int(os.environ.get("HEALIX_BENCH_STUDIES", "100000"))
INSTANCES = int(os.environ.get("HEALIX_BENCH_INSTANCES", "1"))
TIMES = 15
LIST = [("limit", "101"), ("offset", "0"), ("fuzzymatching", "false"), ("includefield", "00081030,00080060")]
"""What OHIF asks for its study list."""
SEARCHES = {
    "study list": LIST,
    "page 10": [*LIST[:1], ("offset", "1010")],
    "a month": [*LIST, ("StudyDate", "20200301-20200331")],
    "moments": [*LIST, ("StudyDate", "20200301-20200331"), ("StudyTime", "10-11")],
    "zone": [*LIST, ("StudyDate", "20200301-20200331"), ("TimezoneOffsetFromUTC", "+0100")],
    "PatientName=*smith*": [*LIST, ("PatientName", "*smith*")],
    "PatientName=*smithbadeki*": [*LIST, ("PatientName", "*smithbadeki*")],
    "PatientName=Zz*": [*LIST, ("PatientName", "Zz*")],
    "fuzzy smi ba": [*LIST[:2], ("PatientName", "smi ba"), ("fuzzymatching", "true")],
    "fuzzy nobody": [("limit", "101"), ("PatientName", "qqq"), ("fuzzymatching", "true")],
    "PatientID=*0004711*": [*LIST, ("PatientID", "*0004711*")],
    "AccessionNumber": [*LIST, ("AccessionNumber", "ACC00004711")],
    "AccessionNumber=*4711*": [*LIST, ("AccessionNumber", "*4711*")],
    "StudyDescription=*CHEST*": [*LIST, ("StudyDescription", "*CHEST*")],
    "StudyDescription=*RARITY*": [*LIST, ("StudyDescription", "*RARITY*")],
    "StudyDescription=*NOTHING*": [*LIST, ("StudyDescription", "*NOTHING*")],
    "ModalitiesInStudy=CT,MR": [*LIST, ("ModalitiesInStudy", "CT,MR")],
    "ModalitiesInStudy=PT": [*LIST, ("ModalitiesInStudy", "PT")],
    "ModalitiesInStudy=XX": [*LIST, ("ModalitiesInStudy", "XX")],
    "region CHEST": [*LIST, (f"{REGIONS}.CodeValue", "816094009")],
    "region ZYGOMA": [*LIST, (f"{REGIONS}.CodeValue", "13881006")],
    "region of nobody": [*LIST, (f"{REGIONS}.CodeValue", "1")],
    "regions returned": [*LIST[:3], ("includefield", REGIONS)],
    "Modality=MG below": [*LIST, ("Modality", "MG")],
    "UIDs": [("StudyInstanceUID", ",".join(uid(n) for n in range(0, 1000, 20)))],
    "stored fields": [*LIST[:3], ("includefield", "PatientComments")],
}  # fmt: skip


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection[Row]]:
    """A database with many studies."""
    with open_pool(module_database_url, size=1) as pool, pool.connection() as connection:
        began = time.perf_counter()
        fill(connection, studies=STUDIES, instances=INSTANCES)
        print(f"\n{STUDIES} studies, {STUDIES * INSTANCES} instances in {time.perf_counter() - began:.0f} s")
        yield connection


def measured(connection: Connection[Row], level: Level, params: list[tuple[str, str]], **options: object) -> str:
    """The median and the slowest of some searches in ms, and how many matches there were."""
    found, taken = 0, []
    for _ in range(TIMES):
        began = time.perf_counter()
        asked = parse(level, params, **options)  # type: ignore[arg-type]
        with connection.transaction():
            found = len(run(connection, query(SYSTEM, asked, base="https://healix.test/dicomweb")).objects)
        taken.append((time.perf_counter() - began) * 1000)
    return f"p50 {statistics.median(taken):6.1f} ms, max {max(taken):6.1f}, {found} matches"


def test_searches(connection: Connection[Row]) -> None:
    """Each way of matching."""
    for name, params in SEARCHES.items():
        print(f"{name:28} {measured(connection, Level.STUDY, params)}")
    print(f"{'all series':28} {measured(connection, Level.SERIES, [('limit', '101')])}")
    print(f"{'all instances':28} {measured(connection, Level.INSTANCE, [('limit', '101')])}")
    within = {"within": [("StudyInstanceUID", uid(4711))]}
    print(f"{'series of a study':28} {measured(connection, Level.SERIES, [], **within)}")
    began = time.perf_counter()
    with connection.transaction():
        total = run(connection, count(SYSTEM, parse(Level.STUDY, [])))
    print(f"count of {total} studies: {(time.perf_counter() - began) * 1000:.1f} ms")
