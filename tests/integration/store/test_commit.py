"""What a change writes, with how many statements, and what it leaves when it fails."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import psycopg
import pytest

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.search.extract import extract
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit, commit_each
from healix_fhir.store.stored import Change, Committed, Method, Patched
from tests.support.fhir_server import BASE, SYSTEM, Pool, change, do, put, rows
from tests.support.query_recorder import query_recorder
from tests.support.resources import encounter, observation, patient

TABLES = (
    "resource", "resource_history", "compartment", "index_token", "index_string", "index_date", "index_reference",
    "audit_event", "outbox",
)  # fmt: skip
INDEX = ("index_token", "index_string", "index_date", "index_reference")


def counts(pool: Pool) -> dict[str, int]:
    """How many rows each table holds."""
    return {table: rows(pool, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def test_a_create_writes_version_index_audit_and_event(pool: Pool) -> None:
    """One transaction writes the resource with its compartment and index, an audit row and an outbox row."""
    put(pool, patient(), "p")
    (done,) = do(pool, lambda: commit(SYSTEM, [change(Method.POST, observation("Patient/p"), "o")]))
    assert done.stored is not None
    assert (done.created, done.changed, done.stored.version) == (True, True, 1)
    ((type_id, body, pat, dated, method, tokens),) = rows(
        pool, "SELECT type, body, pat, d IS NOT NULL, method, cardinality(toks) FROM resource WHERE id = 'o'"
    )
    assert (type_id, body, dated, method) == (TYPE_ID["Observation"], done.stored.body, True, "POST")
    assert pat == dict(done.patients)["p"]
    assert tokens == len(change(Method.POST, observation("Patient/p"), "o").rows.toks) > 0
    pk = rows(pool, "SELECT pk FROM resource WHERE id = 'o'")[0][0]
    assert rows(pool, "SELECT count(*) FROM index_token WHERE pk = %s AND pat = %s AND d IS NOT NULL", pk, pat)[0][0]
    assert rows(pool, "SELECT count(*) FROM index_reference WHERE pk = %s AND target = 'p'", pk)[0][0]
    audit = rows(pool, "SELECT action, subtype, outcome, client, patient, entity FROM audit_event ORDER BY seq DESC")
    assert audit[0] == ("C", "create", 0, "test", "p", "Observation/o")
    topic, payload = rows(pool, "SELECT topic, payload FROM outbox ORDER BY seq DESC")[0]
    assert topic == "resource"
    assert msgspec.json.decode(payload) == {"type": "Observation", "id": "o", "version": 1, "method": "POST"}


def test_index_rows_belong_to_their_resource(pool: Pool) -> None:
    """In a batch every index row points to the resource it was made of."""
    changes = [
        change(Method.POST, patient(name=[{"family": f"Name{n}"}], identifier=[{"value": f"{n}"}] * (n % 3)), f"p{n}")
        for n in range(20)
    ]
    do(pool, lambda: commit(SYSTEM, changes))
    found = rows(
        pool,
        """SELECT r.id, i.exact, count(*) FROM index_string i JOIN resource r USING (pk)
           WHERE i.exact LIKE 'Name%%' GROUP BY 1, 2""",
    )
    assert {(id_, name) for id_, name, _ in found} == {(f"p{n}", f"Name{n}") for n in range(20)}
    tokens = {id_: tuple(toks) for id_, toks in rows(pool, "SELECT id, toks FROM resource")}
    assert tokens == {asked.id: asked.rows.toks for asked in changes}


@pytest.mark.parametrize("number", [1, 7, 300])
def test_new_resources_take_one_statement(pool: Pool, number: int) -> None:
    """However many resources are created, the statement is one, and one more for patients not met before."""
    changes = [change(Method.POST, observation("Patient/p"), logical_id()) for _ in range(number)]
    with query_recorder() as recorded:
        do(pool, lambda: commit(SYSTEM, changes))
    assert len(recorded) == 2
    assert "patient_key" in recorded[0]


@pytest.mark.parametrize("number", [1, 50])
def test_updates_and_deletions_take_a_fixed_number_of_statements(pool: Pool, number: int) -> None:
    """Keys, lock, clear, write: four statements for any number of changes of any method."""
    for n in range(number):
        put(pool, observation("Patient/p"), f"u{n}")
        put(pool, observation("Patient/p"), f"d{n}")
    changes = [
        kind
        for n in range(number)
        for kind in (
            change(Method.POST, observation("Patient/p"), logical_id()),
            change(Method.PUT, observation("Patient/p", status="amended"), f"u{n}"),
            change(Method.PUT, observation("Patient/p"), f"new{n}"),
            Change(Method.DELETE, "Observation", f"d{n}"),
        )
    ]
    with query_recorder() as recorded:
        do(pool, lambda: commit(SYSTEM, changes))
    assert len(recorded) == 4


def test_an_update_moves_the_old_version_to_history(pool: Pool) -> None:
    """The version before is in the history, byte for byte, and the index tells of the new one only."""
    first = put(pool, patient(), "p")
    second = put(pool, patient(name=[{"family": "Lovelace"}]), "p")
    assert first.stored is not None
    assert second.stored is not None
    assert (second.stored.version, second.created, second.changed) == (2, False, True)
    history = rows(pool, "SELECT version, method, deleted, body, until FROM resource_history")
    assert [(version, method, deleted, unpack(body), until) for version, method, deleted, body, until in history] == [
        (1, "PUT", False, first.stored.body, second.stored.updated)
    ]
    assert rows(pool, "SELECT h.pk = r.pk FROM resource_history h JOIN resource r USING (type, id)") == [(True,)]
    families = {name for (name,) in rows(pool, "SELECT exact FROM index_string")}
    assert "Lovelace" in families
    assert "Byron" not in families


def renamed(body: bytes) -> Patched:
    """A patch that gives a patient another name."""
    made = decode(body) | {"name": [{"family": "Lovelace"}]}
    return Patched(made, extract(made, "Patient", (BASE,)))


def broken(_: bytes) -> Patched:
    """A patch that cannot be applied."""
    raise HealixError(Category.UNPROCESSABLE, "no such element")


@pytest.mark.spec("FHIR R4 http.html#patch")
def test_a_patch_is_made_of_the_current_version(pool: Pool) -> None:
    """The version that is locked is the one that is patched; index, audit and event are those of the result."""
    put(pool, patient(), "p")
    (done,) = do(pool, lambda: commit(SYSTEM, [Change(Method.PATCH, "Patient", "p", if_match=1, patch=renamed)]))
    assert done.stored is not None
    assert (done.stored.version, done.created, done.changed) == (2, False, True)
    assert decode(done.stored.body)["name"] == [{"family": "Lovelace"}]
    assert rows(pool, "SELECT method FROM resource WHERE id = 'p'") == [("PATCH",)]
    assert "Byron" not in {name for (name,) in rows(pool, "SELECT exact FROM index_string")}
    assert rows(pool, "SELECT action, subtype, patient FROM audit_event ORDER BY seq DESC LIMIT 1") == [
        ("U", "patch", "p")
    ]
    (again,) = do(pool, lambda: commit(SYSTEM, [Change(Method.PATCH, "Patient", "p", patch=renamed)]))
    assert not again.changed


@pytest.mark.parametrize(
    ("id_", "if_match", "patch", "category"),
    [
        ("none", None, renamed, Category.NOT_FOUND),
        ("gone", None, renamed, Category.GONE),
        ("p", 2, broken, Category.PRECONDITION_FAILED),
        ("p", None, broken, Category.UNPROCESSABLE),
    ],
)
def test_a_patch_that_makes_nothing_is_refused(
    pool: Pool, id_: str, if_match: int | None, patch: Callable[[bytes], Patched], category: Category
) -> None:
    """There is nothing to patch, another version than was meant, or no such place in it; others are not hindered."""
    put(pool, patient(), "p")
    put(pool, patient(), "gone")
    do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Patient", "gone")]))
    members = [
        (SYSTEM, Change(Method.PATCH, "Patient", id_, if_match=if_match, patch=patch)),
        (SYSTEM, change(Method.POST, patient(), "other")),
    ]
    refused, made = do(pool, lambda: commit_each(members))
    assert isinstance(refused, HealixError)
    assert refused.category is category
    assert isinstance(made, Committed)


def test_a_decision_on_an_older_version_is_taken_again(pool: Pool) -> None:
    """What was decided on a version that is no longer current is tried again from the start."""
    put(pool, patient(), "p")
    put(pool, patient(active=False), "p")
    seen = iter((1, 1, 2))
    made = do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Patient", "p", seen=next(seen))]))
    assert made[0].stored is not None
    assert made[0].stored.version == 3
    assert next(seen, None) is None


def test_an_update_that_changes_nothing_writes_only_the_audit(pool: Pool) -> None:
    """No version, no event; that someone tried is on record."""
    put(pool, patient(), "p")
    before = counts(pool)
    done = put(pool, patient(), "p")
    assert not done.changed
    assert counts(pool) == before | {"audit_event": before["audit_event"] + 1}


def test_a_deletion_leaves_history_and_no_index(pool: Pool) -> None:
    """A deleted resource keeps its versions and compartments and is found by no search; deleting again is nothing."""
    put(pool, encounter("Patient/p"), "e")
    (done,) = do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Encounter", "e")]))
    assert done.stored is not None
    assert (done.stored.version, done.stored.body, done.changed) == (2, b"", True)
    assert rows(pool, "SELECT deleted, body, toks, pat IS NOT NULL FROM resource") == [(True, b"", [], True)]
    assert all(counts(pool)[table] == 0 for table in INDEX)
    assert rows(pool, "SELECT action, patient FROM audit_event ORDER BY seq DESC")[0] == ("D", "p")
    (again,) = do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Encounter", "e")]))
    assert again.stored is not None
    assert (again.stored.version, again.changed) == (2, False)


def test_an_update_revives_what_was_deleted(pool: Pool) -> None:
    """The next version is numbered after the deletion, and the index is back."""
    put(pool, encounter("Patient/p"), "e")
    before = counts(pool)
    do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Encounter", "e")]))
    done = put(pool, encounter("Patient/p"), "e")
    assert done.stored is not None
    assert (done.stored.version, done.created) == (3, True)
    assert {table: counts(pool)[table] for table in INDEX} == {table: before[table] for table in INDEX}
    assert rows(pool, "SELECT deleted FROM resource") == [(False,)]


def test_an_audit_row_for_each_patient_before_and_after(pool: Pool) -> None:
    """A resource that moves from one record to another is on record for both patients."""
    put(pool, observation("Patient/a"), "o")
    put(pool, observation("Patient/b"), "o")
    found = rows(pool, "SELECT patient FROM audit_event WHERE action = 'U' ORDER BY patient")
    assert found == [("a",), ("b",)]


def test_further_compartments_follow_the_resource(pool: Pool) -> None:
    """A resource of two patients is in both compartments, and leaves those it no longer names."""

    def group(*members: str) -> dict[str, object]:
        return {
            "resourceType": "Group", "type": "person", "actual": True,
            "member": [{"entity": {"reference": f"Patient/{member}"}} for member in members],
        }  # fmt: skip

    done = put(pool, group("a", "b"), "g")
    keys = dict(done.patients)
    assert rows(pool, "SELECT pat FROM compartment") == [(keys["b"],)]
    put(pool, group("a"), "g")
    assert rows(pool, "SELECT pat FROM compartment") == []


def test_a_refused_change_leaves_nothing_of_the_others(pool: Pool) -> None:
    """All changes of a commit or none: no rows, no audit, no event."""
    put(pool, patient(), "p")
    before = counts(pool)
    changes = [
        change(Method.POST, observation("Patient/p"), "new"),
        change(Method.PUT, patient(active=False), "p"),
        change(Method.PUT, encounter("Patient/p"), "e", if_match=7),
    ]
    with pytest.raises(HealixError) as refused:
        do(pool, lambda: commit(SYSTEM, changes))
    assert refused.value.category is Category.PRECONDITION_FAILED
    assert counts(pool) == before


def test_a_failing_transaction_leaves_nothing(pool: Pool) -> None:
    """What fails after the writes takes all of them back."""
    before = counts(pool)

    def work() -> Work[None]:
        yield from commit(SYSTEM, [change(Method.POST, observation("Patient/p"), "o")])
        yield Statement("SELECT 1/0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        do(pool, work)
    assert counts(pool) == before


def test_versions_follow_each_other_in_any_order_of_changes(pool: Pool) -> None:
    """Versions count up by one with each change that changes something, whatever the changes are."""
    texts = ["a", "a", None, None, "b", "a", "a", None, "a"]
    expected = [1, 1, 2, 2, 3, 4, 4, 5, 6]
    found = []
    for text in texts:
        asked = (
            Change(Method.DELETE, "Basic", "x")
            if text is None
            else change(Method.PUT, {"resourceType": "Basic", "code": {"text": text}}, "x")
        )
        (done,) = _commit(pool, asked)
        assert done.stored is not None
        found.append(done.stored.version)
    assert found == expected
    assert rows(pool, "SELECT version FROM resource_history ORDER BY version") == [(n,) for n in range(1, 6)]


def _commit(pool: Pool, asked: Change) -> list[Committed]:
    return do(pool, lambda: commit(SYSTEM, [asked]))
