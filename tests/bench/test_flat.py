"""Whether the cost of a look-up depends on how much is stored: the index at 10,000 and at a million instances."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from dicomweb.index.attributes import Level
from dicomweb.study.parameters import parse
from dicomweb.study.query import query
from dicomweb.study.retrieve import encoded, frames_of, laid_out, metadata
from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import Row, run
from healix_fhir.server.migrate import migrate
from healix_fhir.store import known_texts
from smart_auth import patients
from tests.support.studies_at_scale import fill, uid
from tests.support.study import SYSTEM

pytestmark = pytest.mark.bench

INSTANCES = 100
"""Of each study, in one series."""
SMALL, LARGE = 10_000, 1_000_000
TIMES = 101
SHARE = 0.8
"""Of the rate at the small size, which is left at the large one."""
COUNTED = {"common words": 0.4, "fuzzy name": 0.4}
"""The share where the larger store has more matches (a fuzzy name one and 69): as the answer tells what remains, up to
100 are counted, and of a few all are sorted for the newest. Where both have as many, it is `SHARE`."""

Measured = Callable[[Connection[Row], int], object]


def _searched(
    level: Level, *params: tuple[str, str], within: Callable[[int], list[tuple[str, str]]] | None = None
) -> Measured:
    def measured(connection: Connection[Row], number: int) -> object:
        inside: dict[str, Any] = {"within": within(number)} if within else {}
        asked = parse(level, list(params), **inside)
        return run(connection, query(SYSTEM, asked, base="https://healix.test/dicomweb"))

    return measured


def _study(number: int) -> list[tuple[str, str]]:
    return [("StudyInstanceUID", uid(number))]


def _series(number: int) -> list[tuple[str, str]]:
    return [*_study(number), ("SeriesInstanceUID", uid(number, 0))]


@cache
def _names(connection: Connection[Row]) -> list[str]:
    """The patients of the studies, by number, as somebody types them: family name and given name."""
    rows = connection.execute("SELECT patient_name FROM study ORDER BY pk").fetchall()
    return [name.replace("^", " ").lower() for (name,) in rows]


def _one_patient(connection: Connection[Row], number: int) -> object:
    key = ("PatientName", _names(connection)[number])
    return _searched(Level.STUDY, ("limit", "25"), key, ("fuzzymatching", "true"))(connection, 0)


LOOKS: dict[str, Measured] = {
    "study list": _searched(Level.STUDY, ("limit", "101"), ("includefield", "00081030,00080060")),
    "study by UID": lambda connection, number: _searched(Level.STUDY, ("StudyInstanceUID", uid(number)))(connection, 0),
    "study by accession": lambda connection, number: _searched(Level.STUDY, ("AccessionNumber", f"ACC{number:08}"))(
        connection, 0
    ),
    "common words": _searched(Level.STUDY, ("limit", "25"), ("StudyDescription", "*CHEST*")),
    "fuzzy name": _searched(Level.STUDY, ("limit", "1"), ("PatientName", "smi ba"), ("fuzzymatching", "true")),
    "fuzzy name of one": _one_patient,
    "series of a study": _searched(Level.SERIES, within=_study),
    "instances of a series": _searched(Level.INSTANCE, within=_series),
    "metadata of a series": lambda connection, number: encoded(
        run(connection, metadata(SYSTEM, uid(number), uid(number, 0))), "https://healix.test"
    ),
    "one frame": lambda connection, number: frames_of(
        *run(connection, laid_out(SYSTEM, uid(number), uid(number, 0), uid(number, 0, number % INSTANCES)))[0], [1]
    ),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Connection[Row]]]:
    """A database of each size."""
    server = embedded.start(tmp_path_factory.mktemp("flat"))
    opened: dict[int, Connection[Row]] = {}
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for size in (SMALL, LARGE):
            connection.execute(f"CREATE DATABASE of_{size}".encode())
    for size in (SMALL, LARGE):
        url = server.get_uri(database=f"of_{size}")
        migrate(url)
        patients.forget()
        known_texts.forget()
        opened[size] = psycopg.connect(url, autocommit=True)
        began = time.perf_counter()
        fill(opened[size], studies=size // INSTANCES, instances=INSTANCES)
        print(f"\n{size} instances in {time.perf_counter() - began:.0f} s")
    yield opened
    for connection in opened.values():
        connection.close()
    server.cleanup()


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_up_costs_the_same_at_every_size(stores: dict[int, Connection[Row]], name: str) -> None:
    """In alternating turns, of as many different studies of both, anywhere in the store; the median."""
    taken: dict[int, list[float]] = {size: [] for size in stores}
    chance = Random(3)
    for _ in range(TIMES):
        for size, connection in stores.items():
            number = chance.randrange(SMALL // INSTANCES) * (size // SMALL)
            began = time.perf_counter()
            LOOKS[name](connection, number)
            taken[size].append(time.perf_counter() - began)
    small, large = (statistics.median(taken[size]) for size in (SMALL, LARGE))
    print(f"\n{name}: {small * 1000:.2f} ms of {SMALL}, {large * 1000:.2f} ms of {LARGE}: {small / large:.2f}")
    assert small / large >= COUNTED.get(name, SHARE)
