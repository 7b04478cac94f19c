"""Writing the index anew: the same rows as at first, in batches, however often it is cut off."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.database import transaction
from healix_fhir.operation.reindex import renew
from healix_fhir.search import reindex
from healix_fhir.search.reindex import VERSION, batch, reindexed
from healix_fhir.server.schema import metadata
from healix_fhir.store import reindexing
from healix_fhir.store.reindexing import CANCELLED, FINISHED, Run
from tests.support.resources import UCUM, observation, patient
from tests.support.search import BASE, Clinic

TABLES = [*sorted(name for name in metadata.tables if name.startswith("index_")), "compartment", "several_compartments"]
COLUMNS = "pat, d, d_hi, present, toks"


def _rows(clinic: Clinic) -> dict[str, Any]:
    found: dict[str, Any] = {table: _table(clinic, table) for table in TABLES}
    return found | {"resource": clinic.run(f"SELECT id, version, body, {COLUMNS} FROM resource ORDER BY pk")}


def _table(clinic: Clinic, table: str) -> list[str]:
    """The rows of a table; of contained resources, whose keys are drawn anew, with those of their containers."""
    columns = [column.name for column in metadata.tables[table].columns if column.name != "pk"]
    own = ", ".join(f"t.{name}" for name in columns)
    key = "pk" in metadata.tables[table].columns
    place = "(SELECT -c.container FROM index_contained c WHERE c.pk = t.pk)"
    shown = f"SELECT {f'coalesce({place}, t.pk), ' if key else ''}{own} FROM {table} t"
    return sorted(map(repr, clinic.run(shown)))


def _put(clinic: Clinic) -> None:
    clinic.put(
        patient(id="p", name=[{"family": "Müller", "given": ["Zoë"]}]),
        patient(id="q"),
        *(
            observation("Patient/p", id=f"o{n}", valueQuantity={"value": n, "system": UCUM, "code": "g"})
            for n in range(5)
        ),
        {
            "resourceType": "Communication",
            "id": "c",
            "status": "completed",
            "recipient": [{"reference": "Patient/p"}, {"reference": "Patient/q"}],
        },
        {
            "resourceType": "Location",
            "id": "l",
            "position": {"latitude": 1, "longitude": 2},
            "contained": [{"resourceType": "Organization", "id": "c", "name": "Clinic", "partOf": {"reference": "#"}}],
        },
    )
    clinic.put(patient(id="gone"))
    clinic.delete("Patient", "gone")


def _spoil(clinic: Clinic) -> None:
    """What an older version of the index might have left."""
    clinic.run(f"TRUNCATE {', '.join(TABLES)}")
    clinic.run("UPDATE resource SET toks = '{1}', present = '', d = NULL, d_hi = NULL, pat = NULL WHERE NOT deleted")
    clinic.run("INSERT INTO index_string (param, folded, exact, pk) SELECT 1, 'old', 'old', pk FROM resource")


def _run(clinic: Clinic) -> Run:
    return transaction(clinic.pool, lambda: reindexing.begin(VERSION))


def test_the_index_is_what_it_was_at_first(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table and column, whatever was there before; bodies and versions stay; deleted resources have no rows."""
    monkeypatch.setattr(reindex, "BATCH", 3)
    _put(clinic)
    before = _rows(clinic)
    _spoil(clinic)
    assert clinic.ids("Patient?family=muller") == []
    steps = list(reindexed(clinic.pool, _run(clinic).id, (BASE,)))
    clinic.run("DELETE FROM index_string WHERE folded = 'old'")  # of the deleted resource, which has no rows of its own
    assert _rows(clinic) == before
    assert [step.done for step in steps] == [3, 6, 9, 9, 9]  # the deleted one, and the end
    assert (steps[-1].state, steps[-1].done, steps[-1].total) == (FINISHED, 9, 9)
    assert clinic.ids("Patient?family=muller") == ["p"]


def test_a_run_goes_on_where_it_was_cut_off(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a batch has committed is not done again; a second request finds the run that is under way."""
    monkeypatch.setattr(reindex, "BATCH", 4)
    _put(clinic)
    run = _run(clinic)
    first = transaction(clinic.pool, lambda: batch(run.id, (BASE,)))
    assert first is not None
    assert first.done == 4
    assert _run(clinic) == first
    steps = list(reindexed(clinic.pool, run.id, (BASE,)))
    assert [step.done for step in steps] == [8, 9, 9]
    assert _run(clinic).id != run.id


def test_a_run_that_is_cancelled_stops(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch follows; what is done stays done."""
    monkeypatch.setattr(reindex, "BATCH", 4)
    _put(clinic)
    run = _run(clinic)
    transaction(clinic.pool, lambda: batch(run.id, (BASE,)))
    assert transaction(clinic.pool, lambda: reindexing.cancel(run.id)) is not None
    assert [(step.state, step.done) for step in reindexed(clinic.pool, run.id, (BASE,))] == [(CANCELLED, 4)]
    assert transaction(clinic.pool, lambda: reindexing.cancel(run.id)) is None
    assert list(reindexed(clinic.pool, 10**9, (BASE,))) == []


def test_what_is_written_meanwhile_is_left_alone(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run ends with the resources that there were when it began."""
    monkeypatch.setattr(reindex, "BATCH", 4)
    _put(clinic)
    run = _run(clinic)
    transaction(clinic.pool, lambda: batch(run.id, (BASE,)))
    clinic.put(patient(id="later", name=[{"family": "Later"}]))
    clinic.put(patient(id="q", name=[{"family": "Changed"}]))
    assert list(reindexed(clinic.pool, run.id, (BASE,)))[-1].done == 9
    assert clinic.ids("Patient?family=later") == ["later"]
    assert clinic.ids("Patient?family=changed") == ["q"]


def test_an_index_of_an_older_version_is_renewed_once(clinic: Clinic) -> None:
    """A new store needs no run; one whose resources an older version indexed gets one, and no second after it."""
    assert transaction(clinic.pool, renew) is None
    _put(clinic)
    clinic.run("DELETE FROM reindexing")
    run = transaction(clinic.pool, renew)
    assert run is not None
    assert transaction(clinic.pool, renew) == run
    assert list(reindexed(clinic.pool, run.id, (BASE,)))[-1].state == FINISHED
    assert transaction(clinic.pool, renew) is None
