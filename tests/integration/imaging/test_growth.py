"""What the bridge reads for a study or a Patient does not grow with the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Statement, Work, open_pool
from healix_fhir.kernel.outbox import Event
from tests.integration.imaging.test_bridge import BASES, put_patient, small, subjects
from tests.support.dicom import uid
from tests.support.study import Store

STUDIES = 20_000
FEW = 1_000
"""Rows of the tables in which the test has few."""
FILL = """
INSERT INTO study (study_uid, patient_id, series_count, instance_count, modalities, sop_classes)
SELECT '1.2.' || n, 'Q' || mod(n, 10000), 1, 1, '{CT}', '{1.2}' FROM generate_series(1, %s) n"""
READ = "SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE seq_tup_read > 0"


def drained(store: Store, url: str) -> dict[str, int]:
    """The most rows of each table that were read one after the other in a transaction of the bridge."""
    found: dict[str, int] = {}

    def look(events: Sequence[Event]) -> Work[None]:
        for table, rows in (yield Statement(READ, ())):
            found[table] = max(rows, found.get(table, 0))

    consumers = {"study": (bridge.studies(BASES), look), "resource": (bridge.patients, look)}
    with open_pool(url, size=1) as pool, pool.connection() as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")  # as after a while
        connection.commit()
        for _ in range(20):
            store.sql("UPDATE outbox SET due = now() - interval '1 s'")
            if not drain(connection, consumers):
                return found
    pytest.fail("the outbox never becomes empty")


def test_few_rows_are_read(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 studies, for the first of a patient, for another one, and for a Patient who has their identifier."""
    monkeypatch.setattr(bridge, "PAUSE_PER_INSTANCE", timedelta(0))
    store.sql(FILL, STUDIES)
    store.sql("ANALYZE")
    store.add(small(1))
    first = drained(store, database_url)
    store.add(small(2))
    further = drained(store, database_url)
    put_patient(store, "p", "P1")
    whose = drained(store, database_url)
    assert subjects(store) == {uid(1): "p", uid(2): "p"}
    assert all(max(read.values()) < FEW for read in (first, further, whose)), (first, further, whose)
