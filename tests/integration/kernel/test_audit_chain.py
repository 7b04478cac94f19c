"""The chain over the audit trail: what is sealed, in which order, and what a verification finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import RaiseException

from healix_fhir.kernel import audit_chain
from healix_fhir.kernel.audit_anchors import Anchors, read
from healix_fhir.kernel.audit_chain import LOCK, tip
from healix_fhir.kernel.audit_sealing import Sealing
from healix_fhir.kernel.audit_verify import Verdict, verify
from healix_fhir.kernel.database import Row, run
from healix_fhir.kernel.errors import HealixError
from tests.support.audit import intruder, sealed_now, written

SWAP = "UPDATE audit_event SET seq = CASE seq WHEN 2 THEN -1 ELSE 2 END WHERE seq IN (2, 3)"
REWRITTEN = "DELETE FROM audit_block; DELETE FROM audit_gap"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Row]]:
    """A connection on a database of its own."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def anchors(tmp_path: Path) -> Anchors:
    """The anchors of a node of its own."""
    return Anchors(tmp_path / "anchors.jsonl")


def found(connection: Connection[Row], anchors: Anchors, start: int = 0) -> list[str]:
    """The problems of the trail, in words."""
    verdict = verify(connection, read(anchors.path), start)
    assert verdict.count == len(verdict.problems)
    return [str(problem) for problem in verdict.problems]


def rolled_back(connection: Connection[Row], count: int) -> None:
    """Take the numbers of `count` rows that are never committed."""
    with connection.transaction(force_rollback=True):
        written(connection, count, sealed=False)


def test_a_whole_trail_is_found_whole(connection: Connection[Row], anchors: Anchors) -> None:
    """What is as it was written has no problem; rows not sealed yet are pending."""
    for count in (1, 40, 7):
        written(connection, count)
        anchors.add(run(connection, tip()))
    written(connection, 3, sealed=False)
    verdict = verify(connection, read(anchors.path))
    assert (verdict.rows, verdict.blocks, verdict.anchors, verdict.pending, verdict.problems) == (48, 3, 3, 3, [])
    assert verdict.head == run(connection, tip()).head.hex()


def test_an_empty_trail_is_whole(connection: Connection[Row], anchors: Anchors) -> None:
    """Nothing is no problem, and makes no block."""
    assert sealed_now(connection) == 0
    assert verify(connection, read(anchors.path)) == Verdict(head=audit_chain.START.hex())


@pytest.mark.parametrize("column", ["recorded", "action", "subtype", "client", "address", "patient", "entity", "query"])
def test_every_column_is_held(connection: Connection[Row], database_url: str, anchors: Anchors, column: str) -> None:
    """A changed value of any column is found, and the row named."""
    written(connection, 5)
    value = "recorded + interval '1 microsecond'" if column == "recorded" else "'D'"
    with intruder(database_url) as hidden:
        hidden.execute(f"UPDATE audit_event SET {column} = {value} WHERE seq = 3")
    assert found(connection, anchors) == ["row 3 was changed"]


@pytest.mark.parametrize(
    ("statements", "problems"),
    [
        (["DELETE FROM audit_event WHERE seq = 4"], ["row 4 is missing"]),
        ([SWAP, "UPDATE audit_event SET seq = 3 WHERE seq = -1"], ["row 2 was changed", "row 3 was changed"]),
        (["DELETE FROM audit_event WHERE seq > 8"], ["row 9 is missing", "row 10 is missing"]),
        (["UPDATE audit_event SET seq = 40 WHERE seq = 2"], ["row 2 is missing"]),
        (["UPDATE audit_event SET patient = '', entity = 'p1' WHERE seq = 2"], ["row 2 was changed"]),
        (["UPDATE audit_event SET seq = -5 WHERE seq = 2"], ["row 2 is missing", "row -5 is in no block"]),
        (["UPDATE audit_block SET sealed = now() WHERE number = 1"], ["block 1 does not follow"]),
        (["UPDATE audit_block SET total = 3 WHERE number = 2"], ["block 2 does not follow"]),
        (
            ["UPDATE audit_block SET spans = '{[1,5)}' WHERE number = 1"],
            ["block 1 does not count", "row 5 is in no block"],
        ),
        (["DELETE FROM audit_block WHERE number = 1"], ["block 1 is missing", "row 1 is in no block"]),
        (["DELETE FROM audit_block WHERE number = 2"], ["block 2 is anchored, but not there"]),
    ],
)  # fmt: skip
def test_tampering_is_found(
    connection: Connection[Row], database_url: str, anchors: Anchors, statements: list[str], problems: list[str]
) -> None:
    """Rows and blocks that were changed, taken away, swapped or put elsewhere are found and named."""
    written(connection, 5)
    written(connection, 5)
    anchors.add(run(connection, tip()))
    assert found(connection, anchors) == []
    with intruder(database_url) as hidden:
        for statement in statements:
            hidden.execute(statement)
    told = found(connection, anchors)
    for problem in problems:
        assert any(one.startswith(problem) for one in told), told


def test_an_inserted_row_is_found(connection: Connection[Row], database_url: str, anchors: Anchors) -> None:
    """A row put under a number that a rollback left free is in no block, once its gap is closed."""
    written(connection, 2)
    rolled_back(connection, 1)
    written(connection, 2)
    with intruder(database_url) as hidden:
        hidden.execute("UPDATE audit_gap SET since = now() - interval '1 day'")
        sealed_now(connection)
        hidden.execute(
            "INSERT INTO audit_event (seq, action, subtype, outcome) OVERRIDING SYSTEM VALUE VALUES (3, 'R', 'read', 0)"
        )
    assert sealed_now(connection) == 0
    assert found(connection, anchors) == ["row 3 is in no block: it was put in between"]


def test_a_cut_end_is_found_by_the_anchors(connection: Connection[Row], database_url: str, anchors: Anchors) -> None:
    """When rows and blocks of the end are taken away together, the anchors still name them."""
    written(connection, 5)
    written(connection, 5)
    anchors.add(run(connection, tip()))
    with intruder(database_url) as hidden:
        hidden.execute("DELETE FROM audit_event WHERE seq > 5; DELETE FROM audit_block WHERE number = 2")
    assert found(connection, anchors) == ["block 2 is anchored, but not there: the end of the trail was cut off"]


def test_a_chain_written_anew_is_found_by_the_anchors(
    connection: Connection[Row], database_url: str, anchors: Anchors
) -> None:
    """Who changes a row and computes the whole chain again cannot make it agree with what was anchored."""
    written(connection, 5)
    written(connection, 5)
    anchors.add(run(connection, tip()))
    with intruder(database_url) as hidden:
        hidden.execute("UPDATE audit_event SET patient = 'other' WHERE seq = 3")
        hidden.execute("DELETE FROM audit_block; DELETE FROM audit_gap")
        sealed_now(hidden)
        written(hidden, 1)
    assert verify(connection, ()).problems == []
    assert found(connection, anchors) == ["block 2 is not what was anchored: the chain was written anew"]


def test_a_verification_may_go_on_from_an_anchor(
    connection: Connection[Row], database_url: str, anchors: Anchors
) -> None:
    """From an anchored block on, only later blocks are compared; a block without anchor is no place to start from."""
    for _ in range(3):
        written(connection, 5)
        anchors.add(run(connection, tip()))
    with intruder(database_url) as hidden:
        hidden.execute("UPDATE audit_event SET patient = 'other' WHERE seq IN (2, 12)")
    assert found(connection, anchors, 2) == ["row 12 was changed"]
    assert verify(connection, read(anchors.path), 2).rows == 5
    with pytest.raises(HealixError, match="block 9 has no anchor"):
        verify(connection, read(anchors.path), 9)


def test_the_chain_before_an_anchor_cannot_be_exchanged(
    connection: Connection[Row], database_url: str, anchors: Anchors
) -> None:
    """A verification from an anchor starts from the anchored head, not from what the database says."""
    for _ in range(2):
        written(connection, 5)
    anchors.add(run(connection, tip()))
    with intruder(database_url) as hidden:
        hidden.execute("UPDATE audit_block SET head = sha256('other') WHERE number = 2")
    written(connection, 5)
    assert found(connection, anchors, 2) == ["block 3 does not follow from its content and the block before it"]


def test_late_rows_are_sealed(database_url: str, connection: Connection[Row], anchors: Anchors) -> None:
    """A row whose lower number becomes visible after higher ones were sealed is in a later block, never lost."""
    with psycopg.connect(database_url) as slow:
        written(slow, 2, sealed=False)
        written(connection, 3)
        written(connection, 1)
        assert verify(connection, ()).rows == 4
        slow.commit()
    assert verify(connection, ()).pending == 2
    assert sealed_now(connection) == 2
    verdict = verify(connection, ())
    assert (verdict.rows, verdict.pending, verdict.problems) == (6, 0, [])
    assert connection.execute("SELECT count(*) FROM audit_gap").fetchone() == (0,)


def test_a_gap_stays_open_while_a_transaction_of_its_time_runs(database_url: str, connection: Connection[Row]) -> None:
    """However old a gap is, it is closed only when every transaction that may fill it has ended."""
    with psycopg.connect(database_url) as slow:
        written(slow, 2, sealed=False)
        written(connection, 3)
        connection.execute("UPDATE audit_gap SET since = now() - interval '1 day'")
        sealed_now(connection)
        slow.commit()
    assert sealed_now(connection) == 2


def test_a_gap_of_a_rollback_is_closed_in_time(connection: Connection[Row]) -> None:
    """A number that was rolled back is waited for until its time is over, and is no problem."""
    rolled_back(connection, 4)
    written(connection, 1)
    assert connection.execute("SELECT span::text FROM audit_gap").fetchall() == [("[1,5)",)]
    sealed_now(connection)
    assert connection.execute("SELECT count(*) FROM audit_gap").fetchone() == (1,)
    connection.execute("UPDATE audit_gap SET since = now() - interval '1 hour'")
    sealed_now(connection)
    assert connection.execute("SELECT count(*) FROM audit_gap").fetchone() == (0,)
    assert verify(connection, ()).problems == []


def test_one_node_seals_at_a_time(database_url: str, connection: Connection[Row]) -> None:
    """While another node seals, this one leaves it to it."""
    written(connection, 3, sealed=False)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        assert sealed_now(connection) == 0
    assert sealed_now(connection) == 3


def test_large_trails_are_sealed_in_several_blocks(connection: Connection[Row]) -> None:
    """A block has a limit, so that a trail of before the chain is sealed in steps."""
    written(connection, 25, sealed=False)
    counts = []
    for _ in range(4):
        with connection.transaction():
            counts.append(run(connection, audit_chain.seal(largest=10)))
    assert counts == [10, 10, 5, 0]
    assert verify(connection, ()).problems == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_block SET total = 0", "DELETE FROM audit_block", "TRUNCATE audit_block"]
)
def test_blocks_are_append_only(connection: Connection[Row], statement: str) -> None:
    """The database refuses to change or remove blocks, as it does rows of the trail."""
    written(connection, 1)
    with pytest.raises(RaiseException, match="append-only"):
        connection.execute(statement)


def test_the_worker_seals_and_anchors(connection: Connection[Row], tmp_path: Path) -> None:
    """The job worker's step seals what is new and anchors it, and after a restart goes on with the same file."""
    written(connection, 5, sealed=False)
    step = Sealing(tmp_path)
    assert step(connection) == 0
    step = Sealing(tmp_path)
    step(connection)  # nothing new: no further anchor
    written(connection, 5, sealed=False)
    Sealing(tmp_path)(connection)
    (file,) = tmp_path.iterdir()
    assert [(anchor.block, anchor.rows) for anchor in read(file)] == [(1, 5), (2, 10)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert verify(connection, read(file)).anchors == 2


def test_the_worker_says_when_the_chain_was_written_anew(
    connection: Connection[Row], database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it anchors, the worker compares the chain with its last anchor and says in the log what it finds."""
    written(connection, 5, sealed=False)
    Sealing(tmp_path)(connection)
    with intruder(database_url) as hidden:
        hidden.execute(f"UPDATE audit_event SET patient = 'other' WHERE seq = 3; {REWRITTEN}")
    written(connection, 1)
    written(connection, 1, sealed=False)
    Sealing(tmp_path)(connection)
    assert "is not what was anchored" in capsys.readouterr().out


def test_a_line_cut_off_by_a_crash_is_passed_over(connection: Connection[Row], anchors: Anchors) -> None:
    """A half-written anchor hides no other."""
    for _ in range(2):
        written(connection, 5)
        anchors.add(run(connection, tip()))
    lines = anchors.path.read_bytes().splitlines(keepends=True)
    anchors.path.write_bytes(lines[0] + lines[1][:20] + lines[1])
    assert [anchor.block for anchor in read(anchors.path)] == [1, 2]
