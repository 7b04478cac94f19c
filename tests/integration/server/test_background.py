"""What changes that interest nobody cost the job worker."""

from __future__ import annotations

from pathlib import Path

import psycopg

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.composition import consumers
from tests.support.gate import Pool
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation
from tests.support.search import Clinic


def test_observations_that_interest_nobody(pool: Pool, database_url: str, tmp_path: Path) -> None:
    """However many have come, all consumers together make a few statements, one of which reads the Observations."""
    clinic, handle = Clinic(pool), consumers(Settings(database_url=database_url, data_dir=tmp_path))
    recorded = []
    for name, count in (("few", 2), ("many", 40)):
        clinic.put(*(observation(f"Patient/{name}{n}", id=f"{name}{n}") for n in range(count)))
        with psycopg.connect(database_url, autocommit=True) as connection:
            with query_recorder() as statements:
                assert drain(connection, handle) == count
            connection.execute("DELETE FROM outbox")  # the days that are summed up later
        recorded.append(statements)
    few, many = recorded
    assert few == many
    assert len(many) <= 9
    assert sum("r.deleted, r.body" in one for one in many) == 1
