"""Storage commitment asked for after a push: of an archive of pynetdicom, which reports at once, later, or wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset
from pynetdicom.association import Association

from dicomweb.commitment import sought
from dicomweb.dimse import commitment_request, peers, pushing
from dicomweb.dimse.commitment_request import seeker
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.dimse.pushing import pusher, wanted
from dicomweb.errand.queue import Kind, begin, retry
from dicomweb.errand.work import worker
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.commitment import CT, Archive, archive, asking, information, outcome, reporting, sent_first
from tests.support.dicom import ct, uid
from tests.support.dimse_service import serving_dimse
from tests.support.study import Store, open_store

Pool = ConnectionPool[Connection[Row]]
FIRST, SECOND = uid(1, 1, 1), uid(1, 1, 2)


class Sender:
    """A study store with two images, and the worker that sends them."""

    def __init__(self, store: Store, images: Path) -> None:
        self.store = store
        self.images = images
        self.step = worker(
            {
                Kind.PUSH: pusher(store.archive, store.pool, Event()),
                Kind.COMMIT: seeker(store.pool, Event()),
            }
        )

    def push(self, to: Archive) -> None:
        """Send the study and have the archive asked, which may have called us only to be refused otherwise."""
        self.store.run(peers.add("ARCHIVE", "127.0.0.1", to.port, [Right.ECHO]))
        self.store.run(begin(wanted(Kind.PUSH, "ARCHIVE", [uid(1)], commit=True)))
        self.work()

    def work(self) -> None:
        """Do the errands that are due."""
        with self.store.pool.connection() as connection:
            connection.autocommit = True
            while self.step(connection):
                pass
            connection.autocommit = False

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The service that peers report to, started anew."""
        with serving_dimse(Settings(data_dir=self.images), self.store.pool, Limits(drain=1)) as port:
            yield port

    def told(self) -> tuple[str, str | None]:
        """How the request stands, as `healix errand list` shows it."""
        sql = """SELECT CASE WHEN given_up THEN 'given up' WHEN ended IS NULL THEN 'waiting' ELSE 'done' END, reason
                 FROM errand WHERE kind = 'commit' AND about = %s"""
        ((state, reason),) = self.store.sql(sql, uid(1))
        return state, reason

    def trail(self) -> list[Row]:
        """Outcomes, clients and words of what the trail has of it."""
        sql = """SELECT subtype, outcome, client, query FROM audit_event
                 WHERE subtype IN ('commitment-request', 'commitment-outcome') ORDER BY seq"""
        return self.store.sql(sql)


@pytest.fixture
def sender(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """One that does not wait long for a report on the association of the request."""
    monkeypatch.setattr(commitment_request, "MOMENT", 0.05)
    store = open_store(pool, tmp_path / "images")
    store.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    return Sender(store, tmp_path)


@pytest.mark.spec("PS3.4 J.3.3")
def test_a_report_comes_later_on_another_association(sender: Sender) -> None:
    """The peer is asked under one UID for what it took; its report counts after restarts, once, and again says so."""
    with archive() as theirs:
        sender.push(theirs)
    (asked,) = theirs.asked
    assert [one.ReferencedSOPInstanceUID for one in asked.ReferencedSOPSequence] == [FIRST, SECOND]
    assert {one.ReferencedSOPClassUID for one in asked.ReferencedSOPSequence} == {CT}
    assert sender.told() == ("waiting", "2 asked for, not reported yet")
    with sender.serving() as port:
        assert reporting(port, outcome(asked)) == 0
    sender.work()
    assert sender.told() == ("done", "2 committed")
    with sender.serving() as port:
        assert reporting(port, outcome(asked, {FIRST: 0x0110})) == 0
    sender.work()
    assert sender.told() == ("done", "2 committed")
    assert sender.trail() == [
        ("commitment-request", 0, "errands", "2 instances to ARCHIVE"),
        ("commitment-outcome", 0, "ARCHIVE", "2 committed, 0 failed"),
    ]


@pytest.mark.spec("PS3.4 J.3.3")
def test_failures_are_told_with_their_reasons(sender: Sender) -> None:
    """What failed is named with its reason, and so is what the report passes over in silence."""
    with archive() as theirs, sender.serving() as port:
        sender.push(theirs)
        assert reporting(port, outcome(theirs.asked[0], {SECOND: 0x0213}, unnamed=[FIRST])) == 0
        sender.work()
    state, reason = sender.told()
    assert state == "given up"
    assert reason == (
        f"0 committed, 2 failed; not named (1, the first {FIRST}); 0213H resource limitation (1, the first {SECOND})"
    )
    assert ("commitment-outcome", 4, "ARCHIVE", "0 committed, 2 failed") in sender.trail()


@pytest.mark.spec("PS3.4 J.3.3")
@pytest.mark.parametrize("failed", [{}, {FIRST: 0x0112}], ids=["committed", "failed"])
def test_a_report_on_the_same_association(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, failed: dict[str, int]
) -> None:
    """A report that comes at once is answered on the association of the request, and settles it."""
    monkeypatch.setattr(commitment_request, "MOMENT", 60.0)
    with archive(at_once=lambda ds: outcome(ds, failed)) as theirs:
        sender.push(theirs)
    assert theirs.answers == [0]
    assert sender.told()[0] == ("given up" if failed else "done")


@pytest.mark.spec("PS3.4 J.3.3")
@pytest.mark.parametrize("ends", ["answers", "refuses", "aborts"])
def test_a_report_before_the_request_is_answered(sender: Sender, ends: str) -> None:
    """A peer that looks at once reports first on the association of the request: it counts, and nothing is asked twice,
    whatever becomes of the answer.
    """
    answers = []

    def first(association: Association, asked: Dataset) -> None:
        answers.append(sent_first(association, other(asked)))
        answers.append(sent_first(association, outcome(asked)))
        if ends == "aborts":
            association.abort()

    with archive(first=first, status=0x0213 if ends == "refuses" else 0) as theirs:
        sender.push(theirs)
        sender.store.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
        sender.work()
    assert answers == [0x0115, 0]
    assert len(theirs.asked) == 1
    assert sender.told() == ("done", "2 committed")
    assert sorted(row[:2] for row in sender.trail()) == [
        ("commitment-outcome", 0),
        ("commitment-outcome", 4),
        ("commitment-request", 0),
    ]


@pytest.mark.spec("PS3.4 J.3.3")
@pytest.mark.parametrize("ends", ["answers", "aborts"])
def test_a_report_elsewhere_before_the_request_is_answered(sender: Sender, ends: str) -> None:
    """The same on an association that the peer opens meanwhile."""
    answers = []
    with sender.serving() as port:

        def first(association: Association, asked: Dataset) -> None:
            answers.append(reporting(port, outcome(asked)))
            if ends == "aborts":
                association.abort()

        with archive(first=first) as theirs:
            sender.push(theirs)
            sender.store.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
            sender.work()
    assert (answers, len(theirs.asked)) == ([0], 1)
    assert sender.told() == ("done", "2 committed")


def test_reports_without_end_are_no_answer(sender: Sender) -> None:
    """A peer that does nothing but report is left; it is asked again later."""

    def first(association: Association, asked: Dataset) -> None:
        connection = association.dul.socket.socket if association.dul.socket else None
        assert connection is not None
        with connection, suppress(AssertionError):  # pynetdicom closes none that the other side has closed
            for _ in range(commitment_request.REPORTS + 1):
                sent_first(association, other(asked))

    with archive(first=first) as theirs:
        sender.push(theirs)
    state, reason = sender.told()
    assert state == "waiting"
    assert "something else than a response" in (reason or "")


@pytest.mark.spec("PS3.4 J.2.1", "PS3.4 J.3.3", "PS3.7 D.3.3.4")
def test_a_report_without_role_selection(sender: Sender) -> None:
    """Devices leave it out when they call to report: it counts of who may ask for commitment, too, for what that peer
    was asked for; nothing but reports is let through so.
    """
    with archive() as theirs, sender.serving() as port:
        sender.push(theirs)
        (asked,) = theirs.asked
        for said in (None, (True, False)):
            assert reporting(port, outcome(asked), roles=said) == -1
        sender.store.run(peers.add("ARCHIVE", "127.0.0.1", theirs.port, [Right.COMMIT]))
        sender.store.run(peers.add("CT1", "127.0.0.1", 104, [Right.COMMIT]))
        assert reporting(port, outcome(asked), roles=None, aet="CT1") == 0x0115
        assert reporting(port, other(asked), roles=None) == 0x0115
        assert reporting(port, outcome(asked), roles=None, event=3) == 0x0113
        sender.work()
        assert sender.told()[0] == "waiting"
        assert reporting(port, outcome(asked), roles=None) == 0
        sender.work()
    assert sender.told() == ("done", "2 committed")


def other(asked: Dataset) -> Dataset:
    """A report about a transaction that nobody asked for."""
    ds = outcome(asked)
    ds.TransactionUID = uid(99)
    return ds


@pytest.mark.spec("PS3.7 10.1.1.1.8")
def test_what_was_not_asked_for_changes_nothing(sender: Sender) -> None:
    """A transaction or a peer that was not asked, an event, instance or data set that is none: refused by status."""
    with archive() as theirs, sender.serving() as port:
        sender.push(theirs)
        (asked,) = theirs.asked
        sender.store.run(peers.add("CT1", "127.0.0.1", 104, [Right.ECHO]))
        assert reporting(port, other(asked)) == 0x0115
        assert reporting(port, outcome(asked), aet="CT1") == 0x0115
        assert reporting(port, information(transaction=None)) == 0x0115
        assert reporting(port, outcome(asked), event=3) == 0x0113
        assert reporting(port, outcome(asked), instance=uid(5)) == 0x0112
        assert reporting(port, outcome(asked), aet="STRANGER") == -1
        sender.work()
    assert sender.told() == ("waiting", "2 asked for, not reported yet")
    assert [row[1] for row in sender.trail()] == [0, 4, 4, 4, 4, 4]


def test_who_may_report_may_not_ask(sender: Sender) -> None:
    """The role in which a peer reports gives it no right to ask for commitment itself."""
    with sender.serving() as port:
        sender.store.run(peers.add("CT1", "127.0.0.1", 104, [Right.ECHO]))
        assert asking(port, information((CT, FIRST)), aet="CT1") == -1


def test_a_peer_that_refuses_is_asked_again(sender: Sender) -> None:
    """A status of failure leaves the request to be asked again, under the same UID."""
    with archive(status=0x0213) as theirs:
        sender.push(theirs)
        assert sender.told()[0] == "waiting"
        assert "0213H" in (sender.told()[1] or "")
        sender.store.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
        sender.work()
    assert len({str(one.TransactionUID) for one in theirs.asked}) == 1 < len(theirs.asked)


def test_no_report_is_told_and_a_late_one_counts(sender: Sender) -> None:
    """After a day without a report that is said; who has it retried asks again; a report after all is believed."""
    with archive() as theirs, sender.serving() as port:
        sender.push(theirs)
        sender.store.sql("UPDATE commitment_sought SET asked = asked - interval '25 hours'")
        sender.store.sql("UPDATE errand SET due = now(), asked = asked - interval '26 hours' WHERE ended IS NULL")
        sender.work()
        assert sender.told() == ("given up", f"ARCHIVE did not report within {sought.PATIENCE}")
        ((seq,),) = sender.store.sql("SELECT seq FROM errand WHERE kind = 'commit'")
        sender.store.run(retry(seq))
        sender.work()
        assert (sender.told()[0], len(theirs.asked)) == ("waiting", 2)
        sender.store.sql("UPDATE errand SET ended = now(), given_up = true WHERE kind = 'commit'")
        assert reporting(port, outcome(theirs.asked[0])) == 0
        sender.work()
    assert sender.told() == ("done", "2 committed")


def test_each_part_of_a_push_is_a_transaction(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push that goes in parts asks for each part by itself; one without the word asks for nothing."""
    monkeypatch.setattr(pushing, "BATCH", 1)
    monkeypatch.setattr(pushing.following, "__defaults__", (1,))
    with archive() as theirs:
        sender.push(theirs)
        sender.store.run(begin(wanted(Kind.PUSH, "ARCHIVE", [uid(1)])))
        sender.work()
    named = [[one.ReferencedSOPInstanceUID for one in asked.ReferencedSOPSequence] for asked in theirs.asked]
    assert sorted(named) == [[FIRST], [SECOND]]
