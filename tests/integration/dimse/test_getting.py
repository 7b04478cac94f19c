"""C-GET as its SCU: what a peer sends back is stored, whatever it is of, and what does not come is told."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.events import Event as Happening

from dicomweb.dimse import getting, peers
from dicomweb.dimse.getting import GET
from dicomweb.dimse.pulling import getter
from dicomweb.dimse.pushing import wanted
from dicomweb.dimse.reception import reception
from dicomweb.dimse.requestor import Remote
from dicomweb.errand import queue
from dicomweb.errand.queue import Kind, Listed
from dicomweb.errand.work import alone, through
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.dimse import CT, EXPLICIT, IMPLICIT
from tests.support.storage_peers import local
from tests.support.study import Store, open_store

MR = "1.2.840.10008.5.1.4.1.1.4"
Pool = ConnectionPool[Connection[Row]]
pytestmark = pytest.mark.spec("PS3.4 C.4.3.2 (2024d)")


@pytest.fixture
def store(pool: Pool, tmp_path: Path) -> Store:
    """An empty store."""
    return open_store(pool, tmp_path / "images")


def image(sop_class: str, number: int) -> Dataset:
    """An image of study 1."""
    return dcmread(io.BytesIO(part10(with_pixels(data_set(1, 1, number, SOPClassUID=sop_class)))))


@contextmanager
def giving(images: Sequence[Dataset], *, refuse: int | None = None, without: str | None = None) -> Iterator[Remote]:
    """An archive of pynetdicom that gives these images back, or answers with a status: to all, or who does not take
    the class `without`.
    """
    ae = AE("ARCHIVE")
    ae.add_supported_context(GET, [IMPLICIT])
    for sop_class in (CT, MR):
        ae.add_supported_context(sop_class, [EXPLICIT], scu_role=True, scp_role=True)

    def get(event: Happening) -> Iterator[object]:
        if without and not any(one.abstract_syntax == without for one in event.assoc.accepted_contexts):
            yield 1 if refuse else 0
            if refuse:
                yield refuse, None
            return
        yield len(images) or (1 if refuse else 0)
        if refuse and not without:
            yield refuse, None
            return
        for one in images:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, one

    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_GET, get)])
    assert server is not None
    try:
        yield local(port, "ARCHIVE")
    finally:
        server.shutdown()


def pulled(store: Store, tmp_path: Path, remote: Remote, heard: list[int] | None = None, most: int = 99) -> Listed:
    """How the errand stands when study 1 was asked for; it leaves off after `most` responses."""
    responses = heard if heard is not None else []
    work = getter(
        reception(Settings(data_dir=tmp_path), store.pool), [CT, MR], store.pool, Event(),
        heard=lambda now: responses.append(now.completed), leave_off=lambda: len(responses) >= most,
    )  # fmt: skip
    store.run(peers.add("ARCHIVE", remote.host, remote.port))
    seq = store.run(queue.begin(wanted(Kind.GET, "ARCHIVE", [uid(1)])))
    with store.pool.connection() as connection, alone(connection, "ARCHIVE"):
        return through(connection, seq, work, lambda: len(responses) < most)


def stored(store: Store) -> list[str]:
    """The instances that are here, and that they came from the peer."""
    rows = store.sql("SELECT instance_uid FROM instance WHERE source = 'ARCHIVE' ORDER BY 1")
    return [instance for (instance,) in rows]


def test_what_comes_is_stored(store: Store, tmp_path: Path) -> None:
    """As what the peer sends by itself; the trail says by whom it was asked for."""
    heard: list[int] = []
    with giving([image(CT, 1), image(CT, 2), image(MR, 3)]) as remote:
        ended = pulled(store, tmp_path, remote, heard)
    assert (ended.ended is not None, ended.reason) == (True, None)
    assert heard == [1, 2, 3, 3]
    assert stored(store) == [uid(1, 1, number) for number in (1, 2, 3)]
    rows = "SELECT subtype, client, entity FROM audit_event WHERE subtype IN ('pull', 'C-STORE') ORDER BY seq"
    assert store.sql(rows)[-1] == ("pull", "errands", uid(1))
    assert {client for _, client, _ in store.sql(rows)[:-1]} == {"ARCHIVE"}


def test_classes_that_find_no_place_come_on_another_association(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails on one association, as its class was not offered there, is asked for on the next."""
    monkeypatch.setattr(getting, "CLASSES", 1)
    with giving([image(CT, 1), image(MR, 2)]) as remote:
        ended = pulled(store, tmp_path, remote)
    assert (ended.ended is not None, ended.reason) == (True, None)
    assert stored(store) == [uid(1, 1, 1), uid(1, 1, 2)]


@pytest.mark.parametrize("refuse", [0xA900, None], ids=["refuses", "finds nothing"])
def test_a_refusal_for_some_classes_is_not_the_last_word(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: int | None
) -> None:
    """A peer that refuses, or finds nothing, where the class of an object is not offered is asked with the others."""
    monkeypatch.setattr(getting, "CLASSES", 1)
    with giving([image(MR, 2)], refuse=refuse, without=MR) as remote:
        ended = pulled(store, tmp_path, remote)
    assert (ended.ended is not None, ended.reason) == (True, None)
    assert stored(store) == [uid(1, 1, 2)]


def test_nothing_is_no_success(store: Store, tmp_path: Path) -> None:
    """Where a peer has none of it that is told, and it is asked again later."""
    with giving([]) as remote:
        waiting = pulled(store, tmp_path, remote)
    assert (waiting.ended, (waiting.reason or "").rpartition(" sends ")[2]) == (None, "nothing")


def test_what_was_not_asked_for_is_refused(store: Store, tmp_path: Path) -> None:
    """An object of another study is not stored, and counts as failed."""
    other = image(CT, 2)
    other.StudyInstanceUID = uid(2)
    with giving([image(CT, 1), other]) as remote:
        waiting = pulled(store, tmp_path, remote)
    assert waiting.reason == "1 of 2 instances were not sent"
    assert stored(store) == [uid(1, 1, 1)]
    refused = store.sql("SELECT entity FROM audit_event WHERE subtype = 'C-STORE' AND outcome = 4")
    assert set(refused) == {(uid(1, 1, 2),)}


def test_what_does_not_come_is_asked_for_again(store: Store, tmp_path: Path) -> None:
    """An object that is refused here, as its study has no UID, fails, and the errand waits; the others are here."""
    bad = image(CT, 2)
    bad.StudyInstanceUID = ""
    with giving([image(CT, 1), bad]) as remote:
        waiting = pulled(store, tmp_path, remote)
    assert waiting.ended is None
    assert waiting.reason == "1 of 2 instances were not sent"
    assert stored(store) == [uid(1, 1, 1)]


def test_refusals_are_told(store: Store, tmp_path: Path) -> None:
    """A peer that cannot do it is told so, and asked again later."""
    with giving([], refuse=0xA701) as remote:
        waiting = pulled(store, tmp_path, remote)
    assert waiting.ended is None
    assert waiting.reason == "1 of 1 instances were not sent"


def test_a_pull_is_cancelled(store: Store, tmp_path: Path) -> None:
    """Who has enough leaves off; the errand stays as it is."""
    with giving([image(CT, number) for number in range(1, 6)]) as remote:
        waiting = pulled(store, tmp_path, remote, most=1)
    assert (waiting.ended, waiting.attempts) == (None, 0)
    assert 0 < len(stored(store)) < 5
