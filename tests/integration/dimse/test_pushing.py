"""Pushes and pulls as errands: what is sent when, and what is left when it could not be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset

from dicomweb.dimse import peers, pulling, pushing
from dicomweb.dimse.pulling import puller
from dicomweb.dimse.push import Sent
from dicomweb.dimse.pushing import pusher, size, wanted
from dicomweb.dimse.requestor import Remote
from dicomweb.dimse.retrieving import Moved
from dicomweb.errand import queue
from dicomweb.errand.queue import Kind, Listed
from dicomweb.errand.work import Performer, alone, through
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError
from tests.bench.dimse_servers import free_port
from tests.support.dicom import ct, uid
from tests.support.dimse import CT, EXPLICIT
from tests.support.storage_peers import UNKNOWN_DESTINATION, having, local, receiving
from tests.support.study import SYSTEM, Store, open_store

Pool = ConnectionPool[Connection[Row]]


@pytest.fixture
def store(pool: Pool, tmp_path: Path) -> Store:
    """A study store with two series of a study, and another study."""
    found = open_store(pool, tmp_path / "images")
    found.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16), ct(1, 2, 1, size=16), ct(2, 1, 1, size=16))
    return found


def done(store: Store, kind: Kind, remote: Remote, uids: Sequence[str], performer: Performer | None = None) -> Listed:
    """How an errand stands after it was done as far as it could be."""
    store.run(peers.add("ARCHIVE", remote.host, remote.port))
    seq = store.run(queue.begin(wanted(kind, "ARCHIVE", uids)))
    with store.pool.connection() as connection, alone(connection, "ARCHIVE") as is_ours:
        assert is_ours
        return through(connection, seq, performer or pusher(store.archive, store.pool, Event()), lambda: True)


def trail(store: Store, word: str) -> list[Row]:
    """Action, outcome, entity and query of the rows with a word."""
    return store.sql("SELECT action, outcome, entity, query FROM audit_event WHERE subtype = %s ORDER BY seq", word)


@pytest.mark.parametrize(
    ("uids", "arrived"),
    [
        ([uid(1)], {uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1)}),
        ([uid(1), uid(1, 1)], {uid(1, 1, 1), uid(1, 1, 2)}),
        ([uid(1), uid(1, 1), uid(1, 1, 2)], {uid(1, 1, 2)}),
    ],
    ids=["study", "series", "instance"],
)
def test_a_push_sends_what_it_names(store: Store, uids: list[str], arrived: set[str]) -> None:
    """All of a study, a series or an instance arrives, and the trail names it and its receiver."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        ended = done(store, Kind.PUSH, peer.remote, uids)
    assert (ended.ended is not None, ended.given_up, ended.reason) == (True, False, None)
    assert {one.data_set.SOPInstanceUID for one in peer.kept} == arrived
    ((action, outcome, entity, query),) = trail(store, "push")
    assert (action, outcome, entity) == ("R", 0, uid(1))
    assert query.endswith("to ARCHIVE")


def test_a_push_that_is_asked_for_again_begins_again(store: Store) -> None:
    """Who asks for the same push again has all sent again."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        first = done(store, Kind.PUSH, peer.remote, [uid(1)])
        again = done(store, Kind.PUSH, peer.remote, [uid(1)])
    assert first.seq == again.seq
    assert len(peer.kept) == 6


def test_a_large_push_goes_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more than is looked up at once goes on where it was, each instance once."""
    monkeypatch.setattr(pushing, "BATCH", 2)
    monkeypatch.setattr(pushing.following, "__defaults__", (2,))
    with receiving([(CT, [EXPLICIT])]) as peer:
        assert done(store, Kind.PUSH, peer.remote, [uid(1)]).ended is not None
    assert [str(one.data_set.SOPInstanceUID) for one in peer.kept] == [uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1)]
    assert len(trail(store, "push")) == 2


def test_a_slow_peer_gets_something_in_each_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that takes longer to accept an association than a part lasts gets all, an instance at a time."""
    monkeypatch.setattr(pushing, "SLICE", -1)
    turns = iter(range(10))
    with receiving([(CT, [EXPLICIT])]) as peer:
        store.run(peers.add("ARCHIVE", peer.remote.host, peer.remote.port))
        seq = store.run(queue.begin(wanted(Kind.PUSH, "ARCHIVE", [uid(1)])))
        performer = pusher(store.archive, store.pool, Event())
        with store.pool.connection() as connection:
            ended = through(connection, seq, performer, lambda: next(turns, None) is not None)
    assert (ended.ended is not None, len(peer.kept)) == (True, 3)


def test_a_peer_that_is_away_is_tried_again(store: Store) -> None:
    """A push to a peer that does not listen waits, with the reason, and all that it is to have."""
    waiting = done(store, Kind.PUSH, local(free_port(), "ARCHIVE"), [uid(1)])
    assert waiting.ended is None
    assert "cannot be reached" in str(waiting.reason)
    assert waiting.attempts == 1


def test_a_peer_without_room_is_tried_again_from_there(store: Store) -> None:
    """What a peer out of resources has taken is not sent again; the rest waits."""
    full = Event()

    def answer(_: Dataset) -> int:
        if full.is_set():
            return 0xA700
        full.set()
        return 0

    with receiving([(CT, [EXPLICIT])], answer) as peer:
        waiting = done(store, Kind.PUSH, peer.remote, [uid(1)])
        assert waiting.ended is None
        assert "A700H" in str(waiting.reason)
        first = len(peer.kept)
        assert store.sql("SELECT after > 0 FROM errand") == [(True,)]
    assert first == 3  # one was taken, one refused twice: with the first part, and at once again


def test_what_is_refused_for_good_is_passed_over(store: Store) -> None:
    """An instance that the peer refuses is named, with its status, and the others arrive."""
    heard: list[Sent] = []
    performer = pusher(store.archive, store.pool, Event(), heard=heard.append)
    with receiving([(CT, [EXPLICIT])], lambda ds: 0xC001 if ds.InstanceNumber == 2 else 0) as peer:
        ended = done(store, Kind.PUSH, peer.remote, [uid(1)], performer)
    assert ended.ended is not None
    assert ended.reason == f"1 instances were refused, the first with C001H: {uid(1, 1, 2)}"
    assert [one.status for one in heard] == [0, 0xC001, 0]
    assert [row[1] for row in trail(store, "push")] == [0, 4]


def test_leaving_off_keeps_the_place(store: Store) -> None:
    """Who leaves off has the errand left as far as it is."""
    heard: list[Sent] = []
    performer = pusher(store.archive, store.pool, Event(), heard=heard.append, leave_off=lambda: len(heard) == 2)
    store.run(peers.add("ARCHIVE", "127.0.0.1", 104))
    with receiving([(CT, [EXPLICIT])]) as peer:
        store.run(peers.add("ARCHIVE", peer.remote.host, peer.remote.port))
        seq = store.run(queue.begin(wanted(Kind.PUSH, "ARCHIVE", [uid(1)])))
        with store.pool.connection() as connection:
            left = through(connection, seq, performer, lambda: len(heard) < 2)
    assert left.ended is None
    assert len(peer.kept) == 2
    cancelled = store.run(queue.cancel(seq))
    assert (cancelled.given_up, cancelled.reason) == (True, "cancelled")
    with pytest.raises(HealixError, match="no such errand"):
        store.run(queue.cancel(seq))


def test_nothing_to_push(store: Store) -> None:
    """A study that is not there is refused before anything is asked for."""
    with pytest.raises(HealixError, match="there is no such study"):
        store.run(size(SYSTEM, [uid(77)]))
    assert store.run(size(SYSTEM, [uid(1)])) > store.run(size(SYSTEM, [uid(1), uid(1, 2)])) > 0


def test_a_pull_asks_the_peer(store: Store) -> None:
    """A pull is a C-MOVE to this server of what it names, and is done when the peer has sent all."""
    with having([]) as archive:
        ended = done(store, Kind.PULL, archive.remote, [uid(1), uid(1, 2)], puller(Event()))
    assert (ended.ended is not None, ended.reason) == (True, None)
    (asked,) = archive.asked
    assert (asked.QueryRetrieveLevel, asked.StudyInstanceUID, asked.SeriesInstanceUID) == ("SERIES", uid(1), uid(1, 2))
    assert archive.destinations == ["HEALIX"]
    assert trail(store, "pull") == [("E", 0, uid(1), "0 instances from ARCHIVE")]


def test_a_pull_that_the_peer_refuses_waits(store: Store) -> None:
    """A peer that does not know this server is told so, and asked again later."""
    with having([], refuse=UNKNOWN_DESTINATION) as archive:
        waiting = done(store, Kind.PULL, archive.remote, [uid(1)], puller(Event()))
    assert waiting.ended is None
    assert "A801H" in str(waiting.reason)


def test_a_pull_that_ends_before_it_has_sent_all_waits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that leaves off with a failure has not sent what it counts as remaining."""
    monkeypatch.setattr(pulling, "moved", lambda *_, **__: iter([Moved(0xA702, 2, 1, 0, 0)]))
    waiting = done(store, Kind.PULL, local(free_port(), "ARCHIVE"), [uid(1)], puller(Event()))
    assert waiting.ended is None
    assert "A702H" in str(waiting.reason)
