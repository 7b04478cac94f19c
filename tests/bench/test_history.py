"""History of a type and of the server at 200,000 resources in two versions each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from healix_fhir.kernel.database import open_pool, transaction
from healix_fhir.model.definitions import TYPES
from healix_fhir.store.history import Past, versions
from smart_auth.access import AccessContext
from smart_auth.scope import Permission
from tests.support.scale import fill, fill_past
from tests.support.search import EVERYONE, Clinic

pytestmark = pytest.mark.bench
PATIENTS, OBSERVATIONS = 2000, 200_000
MIDDLE = (datetime(2020, 6, 1, tzinfo=UTC), 1)


@pytest.fixture(scope="module")
def clinic(module_database_url: str) -> Iterator[Clinic]:
    """The store."""
    with open_pool(module_database_url, size=1) as pool:
        clinic = Clinic(pool)
        fill(clinic, patients=PATIENTS, observations=OBSERVATIONS)
        fill_past(clinic)
        yield clinic


def test_histories(clinic: Clinic) -> None:
    """Page by page in constant time, for whoever asks."""
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'd', pat, 's' FROM patient_key"
        " ORDER BY pat LIMIT 200"
    )
    callers: dict[str, AccessContext] = {
        "system": EVERYONE,
        "patient": clinic.access("patient/*.rs", patient="p1"),
        "clinician of 200": clinic.access("user/*.rs", practitioner="d"),
    }
    for name, access in callers.items():
        for types in (("Observation",), TYPES):
            for place, after in (("first page", None), ("in the middle", MIDDLE)):
                past = Past(types, Permission.SEARCH, after=after)
                took = _median(clinic, access, past)
                print(f"\n{name}, {len(types)} types, {place}: {took * 1000:.1f} ms")
                assert took < 0.5
    one = Past(("Observation",), Permission.READ, "o1")
    print(f"\none resource: {_median(clinic, EVERYONE, one) * 1000:.1f} ms")


def _median(clinic: Clinic, access: AccessContext, past: Past) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        transaction(clinic.pool, lambda: versions(access, past, 51))
        times.append(time.perf_counter() - started)
    return statistics.median(times)
