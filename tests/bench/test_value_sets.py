"""Searches by value sets of 5,000 codes among a million Observations (see test_million), of few codes and of many.

`HEALIX_BENCH_DIR` keeps the database, as there.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from healix_fhir.kernel.database import open_pool
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search import tokens
from tests.bench.test_million import MANY, _filled, server
from tests.support.running import running
from tests.support.scale import CODES, LOINC
from tests.support.search import EVERYONE, Clinic

__all__ = ["server"]

SIZE = 5000
GOAL_MS = 20.0
ROUNDS = 25
FEW, MANY_CODES, HIERARCHY = (f"http://bench.test/{name}" for name in ("few", "many", "hierarchy"))
SEARCHES = {
    "5,000 codes, ten of them used": f"Observation?code:in={FEW}&_count=50",
    "the same, of one patient": f"Observation?code:in={FEW}&patient=p7&_count=50",
    "5,000 codes, all of them used": f"Observation?component-code:in={MANY_CODES}&_count=50",
    "the same, of one patient ": f"Observation?component-code:in={MANY_CODES}&patient=p7&_count=50",
    "not in, of one patient": f"Observation?code:not-in={FEW}&patient=p7&_count=50",
    "below a concept with 5,000": f"Observation?component-code:below={HIERARCHY}|top&_count=50",
}
"""Each with 50 newest of what it finds."""

_COMPONENTS = """WITH stored AS (
  UPDATE resource SET toks = toks || ((%(key)s::bigint[])[1 + pk %% %(size)s])
  WHERE type = %(type)s AND pk %% 20 = 0 RETURNING pk, pat, d, d_hi)
INSERT INTO index_token (h, sys, pat, d, d_hi, pk)
SELECT (%(h)s::bigint[])[1 + pk %% %(size)s], %(sys)s, pat, d, d_hi, pk FROM stored"""


@pytest.fixture(scope="module")
def million(server: str) -> Iterator[Clinic]:
    """A million Observations, of which one in twenty has one of 5,000 component codes; and the value sets."""
    with open_pool(_filled(server, MANY), size=1) as pool:
        clinic = Clinic(pool)
        if not clinic.run("SELECT FROM index_code WHERE system = %s LIMIT 1", (HIERARCHY,)):
            _add(clinic)
        yield clinic


def _add(clinic: Clinic) -> None:
    names = [f"c{n}" for n in range(SIZE)]
    listed = [{"code": code} for code in (*CODES, *names)][:SIZE]
    concepts = [{"code": "top", "concept": [{"code": name, "display": f"Name of {name}"} for name in names]}]
    sets = {
        FEW: {"system": LOINC, "concept": listed},
        MANY_CODES: {"system": HIERARCHY, "concept": [{"code": name} for name in names]},
    }
    clinic.put(
        {
            "resourceType": "CodeSystem", "id": "hierarchy", "url": HIERARCHY, "status": "active",
            "content": "complete", "caseSensitive": True, "concept": concepts,
        },
        *(
            {"resourceType": "ValueSet", "id": f"set{n}", "url": url, "status": "active", "compose": {"include": [one]}}
            for n, (url, one) in enumerate(sets.items())
        ),
    )  # fmt: skip
    parameter = search_parameters("Observation")["component-code"].id
    keys = [tokens.in_system(parameter, HIERARCHY, name) for name in names]
    hashes = [tokens.any_system(parameter, name) for name in names]
    of = tokens.of_system(HIERARCHY, "")
    clinic.run(
        "INSERT INTO index_code SELECT %s, %s, x.*, %s FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) x",
        (parameter, HIERARCHY, of, names, keys, hashes),
    )
    clinic.run(_COMPONENTS, {"key": keys, "h": hashes, "sys": of, "size": SIZE, "type": TYPE_ID["Observation"]})
    clinic.run("ANALYZE")


@pytest.mark.bench
def test_a_search_by_a_value_set_of_5000_codes_takes_20_ms(million: Clinic) -> None:
    """Each search of the list: the processor time of server and process together is at most 20 ms in the median.

    Others who keep the machine busy hardly change it; on a quiet machine it is the time of the whole use case.
    """
    server = int(million.run("SELECT pg_backend_pid()")[0][0])
    spent: dict[str, list[float]] = {name: [] for name in SEARCHES}
    waited: dict[str, list[float]] = {name: [] for name in SEARCHES}
    found: dict[str, int] = {}
    for _ in range(ROUNDS):
        for name, address in SEARCHES.items():
            begun, before = time.perf_counter(), running(server) + time.process_time_ns()
            found[name] = len(million.page(address, EVERYONE).entries)
            spent[name].append((running(server) + time.process_time_ns() - before) / 1e6)
            waited[name].append((time.perf_counter() - begun) * 1000)
    medians = {name: statistics.median(each) for name, each in spent.items()}
    print(f"\n{'median ms among':24}{MANY:>12,}{'CPU':>8}{'wall':>8}")
    for name, median in medians.items():
        print(f"{name:36}{median:8.2f}{statistics.median(waited[name]):8.2f}  ({found[name]} found)")
    assert {name: median for name, median in medians.items() if median > GOAL_MS} == {}
