"""Priors fetched from a peer of pynetdicom: asked for, sent to this server, seen by the trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event as Happening
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicomweb.dimse import fetch, peers
from dicomweb.dimse.fetch import fetcher
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.retrieving import Moved
from dicomweb.errand.queue import Kind, Wanted, ask
from dicomweb.errand.work import worker
from dicomweb.routing.priors import Rule, put
from healix_fhir.kernel.database import Row, one, transaction
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.dimse_service import serving_dimse
from tests.support.study import SYSTEM, Store, open_store

DAYS = {1: "20260101", 2: "20250101", 3: "20240601", 4: "19990101"}


class Archive:
    """A peer that has studies of P1, and one of P2 that it tells of too; `asked` and `moved` say what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Dataset] = []
        self.moved: list[str] = []
        self.status = 0xFF00
        self.broken: set[str] = set()

    def find(self, event: Happening) -> Iterator[tuple[int, Dataset | None]]:
        """Tell of every study, whatever the PatientID."""
        self.asked.append(event.identifier)
        if self.status != 0xFF00:
            yield self.status, None
            return
        for number, day in [*DAYS.items(), (9, "20260303")]:
            ds = Dataset()
            ds.StudyInstanceUID, ds.StudyDate, ds.QueryRetrieveLevel = uid(number), day, "STUDY"
            ds.PatientID = "P1" if number in DAYS else "P2"
            ds.ModalitiesInStudy = ["CT", "SR"]
            yield 0xFF00, ds

    def move(self, event: Happening) -> Iterator[Any]:
        """Send a study of one image."""
        study = str(event.identifier.StudyInstanceUID)
        self.moved.append(study)
        if event.move_destination != "HEALIX":
            yield None, None
            return
        yield "127.0.0.1", self.port
        yield 1
        number = int(study.rpartition(".")[2])
        image = with_pixels(data_set(number), rows=8, columns=8)
        if study in self.broken:
            image.SeriesInstanceUID = uid(1, 1)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        yield 0xFF00, image


@contextmanager
def serving(archive: Archive) -> Iterator[int]:
    """The peer PACS; its port."""
    ae = AE("PACS")
    for model in (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelMove):
        ae.add_supported_context(model)
    ae.add_requested_context(CTImageStorage)
    port = free_port()
    handlers: list[Any] = [(evt.EVT_C_FIND, archive.find), (evt.EVT_C_MOVE, archive.move)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield port
    finally:
        server.shutdown()


class House:
    """A server, its peer PACS, and an errand for P1."""

    def __init__(self, store: Store, url: str, archive: Archive) -> None:
        self.store = store
        self.url = url
        self.archive = archive
        self.step = worker({Kind.PRIORS: fetcher(Event())})

    def rule(self, **changes: Any) -> None:
        """Add a rule, and ask for the priors of P1."""
        self.store.run(put(SYSTEM, Rule(**{"name": "ct", "peer": "PACS", "years": 3, **changes})))
        self.store.run(one(ask([Wanted(Kind.PRIORS, "PACS", "P1\\", "ct")])))

    def work(self) -> int:
        """Do all that is due; how many parts that were."""
        count = 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self.step(connection):
                count += 1
        return count

    def studies(self) -> list[str]:
        """What is here, and who sent it."""
        return [row[0] for row in self.store.sql("SELECT study_uid FROM study ORDER BY pk")]


@pytest.fixture
def house(pool: ConnectionPool[Connection[Row]], database_url: str, tmp_path: Path) -> Iterator[House]:
    """A running server and its peer."""
    with serving_dimse(Settings(data_dir=tmp_path), pool, Limits(drain=1)) as port:
        archive = Archive(port)
        with serving(archive) as listening:
            transaction(pool, lambda: peers.add("PACS", "127.0.0.1", listening))
            yield House(open_store(pool, tmp_path / "images"), database_url, archive)


@pytest.mark.spec("PS3.4 C.4.2.2")
def test_newest_priors_are_fetched(house: House) -> None:
    """The newest studies of the patient come, by C-STORE from the peer; no others, and none that is too old."""
    house.rule(most=2)
    house.work()
    assert house.studies() == [uid(1), uid(2)]
    assert house.archive.asked[0].PatientID == "P1"
    assert house.store.sql("SELECT DISTINCT source FROM instance") == [("PACS",)]
    assert house.store.sql(
        "SELECT outcome, entity, query FROM audit_event WHERE subtype = 'prefetch' ORDER BY seq"
    ) == [
        (0, uid(1), "from PACS by rule ct"),
        (0, uid(2), "from PACS by rule ct"),
    ]
    assert house.store.sql("SELECT ended IS NOT NULL, after, reason FROM errand") == [(True, 0, None)]


def test_everything_that_fits_is_bounded_by_age(house: House) -> None:
    """With room for all, those within the years come, and never another patient's that the peer tells of."""
    house.rule(most=9)
    house.work()
    assert house.archive.moved == [uid(1), uid(2), uid(3)]


def test_what_is_here_is_not_fetched(house: House) -> None:
    """A study that is here already counts as one of the priors, and is not sent again."""
    house.store.add(part10(data_set(2)))
    house.rule(most=2)
    house.work()
    assert house.archive.moved == [uid(1)]


def test_study_that_does_not_come_whole_is_told_and_holds_up_no_other(house: House) -> None:
    """Images that this server does not take are named, and the next study is fetched."""
    house.archive.broken = {uid(2)}
    house.rule(most=3)
    house.work()
    assert house.archive.moved == [uid(1), uid(2), uid(3)]
    assert house.studies() == [uid(1), uid(3)]
    assert house.store.sql("SELECT reason FROM errand") == [(f"1 images of {uid(2)} did not come",)]


def test_peer_that_cannot_search_is_asked_again(house: House) -> None:
    """A query that fails is no answer that there are no priors."""
    house.archive.status = 0xC001
    house.rule()
    house.work()
    ((attempts, reason),) = house.store.sql("SELECT attempts, reason FROM errand")
    assert attempts == 1
    assert "C001H" in reason


def test_answers_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a peer that tells without end so many studies are looked at, and it is told to stop."""
    monkeypatch.setattr(fetch, "MOST_ANSWERS", 1)
    house.rule(most=9)
    house.work()
    assert house.archive.moved == [uid(1)]


@pytest.mark.spec("PS3.4 C.4.2.1.5")
def test_warnings_are_no_refusal(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study whose images were all stored, some with warnings, has come."""
    monkeypatch.setattr(fetch, "moved", lambda *_, **__: iter([Moved(0xB000, 0, 0, 0, 1)]))
    house.rule(most=2)
    house.work()
    assert house.store.sql("SELECT ended IS NOT NULL, attempts FROM errand") == [(True, 0)]
