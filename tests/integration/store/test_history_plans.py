"""The plans of histories, at a size at which a wrong one would show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from healix_fhir.kernel.database import open_pool
from healix_fhir.model.definitions import TYPES
from healix_fhir.store.history import COUNTED, Past, versions
from smart_auth.access import AccessContext
from smart_auth.scope import Permission
from tests.support.scale import fill, fill_past
from tests.support.search import EVERYONE, Clinic

OBSERVATIONS = Past(("Observation",), Permission.SEARCH)
EVERYTHING = Past(TYPES, Permission.SEARCH)
LATER = (datetime(2020, 3, 1, tzinfo=UTC), 1)


@pytest.fixture(scope="module")
def scaled(module_database_url: str) -> Iterator[Clinic]:
    """20,000 Observations of 200 patients, each in its second version."""
    with open_pool(module_database_url, size=1) as pool:
        clinic = Clinic(pool)
        fill(clinic, patients=200, observations=20_000)
        fill_past(clinic)
        yield clinic


def plan(clinic: Clinic, access: AccessContext, past: Past) -> str:
    """How the first or a later page is read, with run-time figures."""
    statement = next(versions(access, past, 51))
    rows = clinic.run(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement.sql}", statement.params)
    return "\n".join(row[0] for row in rows)


def most_rows(text: str) -> int:
    """The most rows that any node of a plan gave or threw away."""
    figures = re.findall(r"actual rows=([\d.]+)|Removed by Filter: (\d+)", text)
    return max(int(float(given or removed)) for given, removed in figures)


@pytest.mark.parametrize("past", [OBSERVATIONS, EVERYTHING])
@pytest.mark.parametrize("after", [None, LATER])
def test_who_sees_all_reads_no_further_than_page_and_count(
    scaled: Clinic, past: Past, after: tuple[datetime, int] | None
) -> None:
    """The first page and a later one are ranges of the two indexes by time."""
    asked = Past(past.types, past.permission, after=after)
    text = plan(scaled, EVERYONE, asked)
    assert "resource_type_updated" in text
    assert "resource_history_type_updated" in text
    assert "Seq Scan on resource_history" not in text
    assert most_rows(text) <= COUNTED + 1


@pytest.mark.parametrize("past", [OBSERVATIONS, EVERYTHING])
def test_who_sees_some_patients_reads_their_records(scaled: Clinic, past: Past) -> None:
    """A patient's app and a clinician of two read what is in those compartments, not the whole type."""
    scaled.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'd', pat, 's' FROM patient_key"
        " WHERE id IN ('p1', 'p2') ON CONFLICT DO NOTHING"
    )
    patient = scaled.access("patient/*.rs", patient="p1")
    clinician = scaled.access("user/*.rs", practitioner="d")
    for access, patients in ((patient, 1), (clinician, 2)):
        text = plan(scaled, access, past)
        assert "resource_pat_type_d" in text
        assert "Seq Scan on resource" not in text
        assert most_rows(text) <= 210 * patients
