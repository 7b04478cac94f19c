"""Routes at work: images to dcmtk's storescp and to a DICOMweb server, notices to a peer; away, refusing, back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event as Happening
from pynetdicom.sop_class import InstanceAvailabilityNotification  # type: ignore[attr-defined]

from dicomweb.dimse import peers
from dicomweb.dimse.associate import Reject, reject
from dicomweb.dimse.forwarding import to_peer
from dicomweb.dimse.notice import notifier
from dicomweb.dimse.requestor import Remote
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from dicomweb.events import study_changed
from dicomweb.routing import forward
from dicomweb.routing.arrived import arrived
from dicomweb.routing.forward import forwarder, to_url
from dicomweb.routing.rules import Action, Route, put
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError
from tests.bench.dimse_servers import free_port
from tests.support.dicom import ct, uid
from tests.support.storage_peers import receiving, scripted, storescp
from tests.support.study import SYSTEM, Store, open_store

OWN = "here.example:443"


class House:
    """A store whose errands are done here."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.url = url
        send = forwarder(to_peer(store.archive, store.pool, Event()), to_url(store.archive, OWN))
        self.step = worker({Kind.SEND: send, Kind.NOTICE: notifier(Event())})

    def route(self, **changes: Any) -> None:
        """Add a route."""
        self.store.run(put(SYSTEM, Route(**{"name": "all", "quiet": 0, **changes})))

    def know(self, remote: Remote) -> None:
        """Add a peer."""
        transaction(self.store.pool, lambda: peers.add(remote.aet, remote.host, remote.port))

    def come(self, *instances: int) -> None:
        """Images of one study come, and the route consumer hears of it."""
        self.store.add(*(ct(1, 1, n, size=16) for n in instances))
        self.store.run(arrived(study_changed([uid(1)])))

    def work(self) -> int:
        """Do all errands that are due; how many."""
        count = 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self.step(connection):
                count += 1
        return count

    def hurry(self) -> None:
        """Let what waits be due."""
        self.store.sql("UPDATE errand SET due = now() WHERE ended IS NULL")
        self.store.sql("DELETE FROM errand_away")

    def errands(self) -> list[Row]:
        """Attempts, whether they have ended, and what there is to say."""
        return self.store.sql("SELECT attempts, ended IS NOT NULL, reason FROM errand ORDER BY seq")

    def trail(self) -> list[Row]:
        """What the trail says of what left."""
        return self.store.sql(
            """SELECT action, subtype, outcome, entity, query FROM audit_event
               WHERE subtype IN ('forward', 'availability-notice') ORDER BY seq"""
        )


@pytest.fixture
def house(pool: ConnectionPool[Connection[Row]], database_url: str, tmp_path: Path) -> House:
    """An empty store."""
    return House(open_store(pool, tmp_path / "images"), database_url)


def files(folder: Path) -> set[str]:
    """The instances that storescp wrote."""
    return {str(dcmread(path).SOPInstanceUID) for path in folder.iterdir()}


@pytest.mark.spec("PS3.4 B.2.2")
def test_study_goes_to_a_peer(house: House, tmp_path: Path) -> None:
    """A study that came goes to the route's peer as it is stored, and the trail says what left to whom."""
    folder = tmp_path / "peer"
    folder.mkdir()
    with storescp(folder) as remote:
        house.know(remote)
        house.route(peer=remote.aet)
        house.come(1, 2, 3)
        house.work()
        assert files(folder) == {uid(1, 1, n) for n in (1, 2, 3)}
        house.come(4)
        assert house.work() == 1
        assert len(files(folder)) == 4
    assert house.trail() == [
        ("R", "forward", 0, uid(1), "3 instances to ARCHIVE by route all"),
        ("R", "forward", 0, uid(1), f"{uid(1, 1, 4)} to ARCHIVE by route all"),
    ]


def test_peer_that_was_down_gets_everything_when_it_is_up(house: House, tmp_path: Path) -> None:
    """Nothing is lost while a peer is off, and nothing is sent twice when it is on again."""
    port = free_port()
    house.know(Remote("ARCHIVE", "127.0.0.1", port))
    house.route(peer="ARCHIVE")
    house.come(1)
    house.work()
    house.come(2)
    assert house.errands()[0][:2] == (1, False)
    folder = tmp_path / "peer"
    folder.mkdir()
    with storescp(folder) as remote:
        house.know(remote)
        house.hurry()
        house.work()
        assert files(folder) == {uid(1, 1, 1), uid(1, 1, 2)}
    assert house.errands() == [(0, True, None)]


def test_image_that_is_refused_holds_up_no_other(house: House) -> None:
    """What the peer refuses for good is told, and the others go; an image for which it has no room is tried again."""
    answers = {uid(1, 1, 1): 0xC000, uid(1, 1, 3): 0xA700}
    contexts = [(str(CTImageStorage), [str(ExplicitVRLittleEndian)])]
    with receiving(contexts, lambda ds: answers.get(str(ds.SOPInstanceUID), 0)) as peer:
        house.know(peer.remote)
        house.route(peer="ARCHIVE")
        house.come(1, 2, 3)
        house.work()
        ((attempts, ended, reason),) = house.errands()
        assert (attempts, ended) == (1, False)
        answers.clear()
        house.hurry()
        house.work()
        got = [str(one.data_set.SOPInstanceUID) for one in peer.kept]
    assert got.count(uid(1, 1, 2)) == 1, "what was taken is not sent again"
    assert got[-1] == uid(1, 1, 3)
    assert "A700" in str(reason)
    assert [row[2:] for row in house.trail()] == [
        (0, uid(1), f"{uid(1, 1, 2)} to ARCHIVE by route all"),
        (4, uid(1), f"{uid(1, 1, 1)} to ARCHIVE by route all"),
        (0, uid(1), f"{uid(1, 1, 3)} to ARCHIVE by route all"),
    ]


def test_peer_that_does_not_know_us_yet_gets_everything_when_it_does(house: House, tmp_path: Path) -> None:
    """A rejected association has refused no image."""
    with scripted(reject(Reject.CALLING_AE_TITLE_NOT_RECOGNIZED)) as stranger:
        house.know(Remote("ARCHIVE", stranger.host, stranger.port))
        house.route(peer="ARCHIVE")
        house.come(1, 2)
        house.work()
    assert house.errands()[0][:2] == (1, False)
    folder = tmp_path / "peer"
    folder.mkdir()
    with storescp(folder) as remote:
        house.know(remote)
        house.hurry()
        house.work()
        assert files(folder) == {uid(1, 1, 1), uid(1, 1, 2)}


def test_slow_peer_gets_something_in_each_part(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that takes longer to accept an association than a part lasts gets all, an image at a time."""
    monkeypatch.setattr(forward, "SLICE", -1)
    with receiving([(str(CTImageStorage), [str(ExplicitVRLittleEndian)])]) as peer:
        house.know(peer.remote)
        house.route(peer="ARCHIVE")
        house.come(1, 2)
        with psycopg.connect(house.url, autocommit=True) as connection:
            assert sum(house.step(connection) for _ in range(5)) in (2, 3)
    assert len(peer.kept) == 2


def test_replaced_route_sends_to_nobody_to_whom_it_does_not_go(house: House) -> None:
    """What waited goes where the route goes now, and the trail says so; one that only tells sends nothing."""
    house.know(Remote("OLD", "127.0.0.1", free_port()))
    house.route(peer="OLD")
    house.come(1)
    house.work()
    with receiving([(str(CTImageStorage), [str(ExplicitVRLittleEndian)])]) as peer:
        house.know(peer.remote)
        house.route(peer="ARCHIVE", action=Action.NOTICE)
        house.hurry()
        house.work()
        assert peer.kept == []
        house.route(peer="ARCHIVE")
        house.come(2)
        house.work()
    assert {str(one.data_set.SOPInstanceUID) for one in peer.kept} == {uid(1, 1, 1), uid(1, 1, 2)}
    assert [row[4] for row in house.trail()] == ["2 instances to ARCHIVE by route all"]


def test_lost_file_holds_up_no_other(house: House) -> None:
    """An image whose file is not there any more is named, and the others go."""
    with receiving([(str(CTImageStorage), [str(ExplicitVRLittleEndian)])]) as peer:
        house.know(peer.remote)
        house.route(peer="ARCHIVE")
        house.come(1, 2)
        ((blob,),) = house.store.sql("SELECT blob FROM instance WHERE instance_uid = %s", uid(1, 1, 1))
        house.store.archive.remove([blob])
        house.work()
    assert [str(one.data_set.SOPInstanceUID) for one in peer.kept] == [uid(1, 1, 2)]
    ((attempts, ended, reason),) = house.errands()
    assert (attempts, ended) == (0, True)
    assert uid(1, 1, 1) in reason


def test_archive_that_is_away_is_no_matter_of_the_receiver(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this server cannot read now is sent later, and meanwhile the peer gets what else there is."""

    def away(*_: object) -> Iterator[bytes]:
        raise HealixError(Category.UNAVAILABLE, "the archive is away")

    with receiving([(str(CTImageStorage), [str(ExplicitVRLittleEndian)])]) as peer:
        house.know(peer.remote)
        house.route(peer="ARCHIVE")
        house.come(1)
        with monkeypatch.context() as patched:
            patched.setattr(house.store.archive, "stream", away)
            house.work()
        assert house.errands() == [(1, False, "the archive is away")]
        assert house.store.sql("SELECT receiver FROM errand_away") == []
        house.hurry()
        house.work()
    assert len(peer.kept) == 1


@contextmanager
def ris(told: list[Dataset], status: int = 0) -> Iterator[Remote]:
    """A peer of pynetdicom that is told of images."""
    ae = AE("RIS")
    ae.add_supported_context(InstanceAvailabilityNotification)

    def create(event: Happening) -> tuple[int, None]:
        told.append(event.attribute_list)
        return status, None

    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_CREATE, create)])
    assert server is not None
    try:
        yield Remote("RIS", "127.0.0.1", port)
    finally:
        server.shutdown()


@pytest.mark.spec("PS3.4 R.3.2.1")
def test_peer_is_told_what_is_here(house: House) -> None:
    """A notice names the study, its series and instances with class, availability and whom to ask, and nothing else."""
    told: list[Dataset] = []
    with ris(told) as remote:
        house.know(remote)
        house.route(peer="RIS", action=Action.NOTICE)
        house.come(1, 2)
        house.work()
        house.come(3)
        house.work()
    first, second = told
    assert sorted(element.keyword for element in first) == [
        "ReferencedPerformedProcedureStepSequence",
        "ReferencedSeriesSequence",
        "StudyInstanceUID",
    ]
    assert first.StudyInstanceUID == uid(1)
    (series,) = first.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == uid(1, 1)
    items = series.ReferencedSOPSequence
    assert [str(item.ReferencedSOPInstanceUID) for item in items] == [uid(1, 1, 1), uid(1, 1, 2)]
    assert {(str(item.ReferencedSOPClassUID), item.InstanceAvailability, item.RetrieveAETitle) for item in items} == {
        (str(CTImageStorage), "ONLINE", "HEALIX")
    }
    assert len(second.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 1
    assert [row[1] for row in house.trail()] == ["availability-notice"] * 2


def test_notice_that_is_refused_is_tried_again(house: House) -> None:
    """A peer that does not take a notice is told again later."""
    with ris([], 0x0110) as remote:
        house.know(remote)
        house.route(peer="RIS", action=Action.NOTICE)
        house.come(1)
        house.work()
    assert house.errands() == [(1, False, "RIS answers with the status 0110H")]


class Origin(ThreadingHTTPServer):
    """A DICOMweb server that keeps the requests it gets; `answers` are its statuses and bodies, the last for all."""

    def __init__(self, answers: Sequence[tuple[int, object]]) -> None:
        super().__init__(("127.0.0.1", 0), Stowing)
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Its DICOMweb base URL."""
        return f"http://127.0.0.1:{self.server_port}/dicomweb"


class Stowing(BaseHTTPRequestHandler):
    """One request."""

    server: Origin

    def do_POST(self) -> None:
        """Keep it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        encoded = orjson.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def origin(*answers: tuple[int, object]) -> Iterator[Origin]:
    """A DICOMweb server that answers so."""
    with Origin(answers or [(200, {})]) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def failed(instance: str, reason: int) -> dict[str, object]:
    """The answer that one instance failed."""
    item = {"00081155": {"vr": "UI", "Value": [instance]}, "00081197": {"vr": "US", "Value": [reason]}}
    return {"00081198": {"vr": "SQ", "Value": [item]}}


@pytest.mark.spec("PS3.18 10.5.1")
def test_study_goes_to_a_web_server(house: House) -> None:
    """A study goes to a DICOMweb server byte for byte, with the route's token and the mark of where it has been."""
    with origin() as server:
        house.route(url=server.url, allow_private=True, token="secret")
        house.come(1, 2)
        house.work()
        ((path, headers, body),) = server.requests
    assert path == "/dicomweb/studies"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Via"] == f"1.1 {OWN}"
    for (key,) in house.store.sql("SELECT blob FROM instance"):
        stored = house.store.archive.path(key)
        assert stored is not None
        assert stored.read_bytes() in body
    assert len(house.trail()) == 1


@pytest.mark.parametrize(
    ("answers", "requests", "reason"),
    [
        ([(503, {}), (200, {})], 2, None),
        ([(401, {}), (200, {})], 2, None),
        ([(202, failed(uid(1, 1, 1), 0xA700)), (200, {})], 2, None),
        ([(202, failed(uid(1, 1, 1), 0xC000))], 1, f"1 instances were refused, the first with C000H: {uid(1, 1, 1)}"),
        ([(409, failed(uid(1, 1, 1), 0x0111))], 1, f"1 instances were refused, the first with 0111H: {uid(1, 1, 1)}"),
    ],
    ids=["away", "not authorized", "no room", "refused", "all refused"],
)
def test_answers_of_a_web_server(
    house: House, answers: list[tuple[int, object]], requests: int, reason: str | None
) -> None:
    """What a server may take later is sent again; what it refuses for good is told and passed over."""
    with origin(*answers) as server:
        house.route(url=server.url, allow_private=True)
        house.come(1)
        for _ in range(2):
            house.work()
            house.hurry()
        assert len(server.requests) == requests
    assert house.errands() == [(0, True, reason)]


@pytest.mark.parametrize("left", [None, 200], ids=["gone", "cut short"])
def test_lost_files_hold_up_no_others_on_their_way_to_a_web_server(house: House, left: int | None) -> None:
    """Images whose files are not there any more, or not whole, are named, and the others go."""
    with origin() as server:
        house.route(url=server.url, allow_private=True)
        house.come(1, 2, 3)
        rows = house.store.sql("SELECT blob FROM instance WHERE instance_uid <> %s", uid(1, 1, 2))
        for (blob,) in rows:
            path = house.store.archive.path(blob)
            assert path is not None
            if left is None:
                path.unlink()
            else:
                path.write_bytes(path.read_bytes()[:left])
        house.work()
        # what broke off at a lost file may be heard after what came whole
        (body,) = [body for _, _, body in server.requests if body.rstrip().endswith(b"--")]
    assert body.count(b"DICM") == 1
    ((attempts, ended, reason),) = house.errands()
    assert (attempts, ended) == (0, True)
    assert reason.startswith("2 instances were refused, the first with 0110H")
    assert [(row[2], row[4].partition(" to ")[0]) for row in house.trail()] == [(0, uid(1, 1, 2)), (4, "2 instances")]


def test_archive_that_is_away_is_no_matter_of_the_web_server(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this server cannot read now is sent later."""

    def away(*_: object) -> Iterator[bytes]:
        raise HealixError(Category.UNAVAILABLE, "the archive is away")

    with origin() as server:
        house.route(url=server.url, allow_private=True)
        house.come(1)
        with monkeypatch.context() as patched:
            patched.setattr(house.store.archive, "stream", away)
            house.work()
        assert house.errands() == [(1, False, "the archive of this server cannot be read")]
        assert house.store.sql("SELECT receiver FROM errand_away") == []
        house.hurry()
        house.work()
    assert house.errands() == [(0, True, None)]


def test_web_server_in_a_private_network_needs_the_operators_word(house: House) -> None:
    """An address that leads into a private network is not called unless the route says that it may be."""
    with origin() as server:
        house.route(url=server.url, allow_private=True)
        house.store.sql("UPDATE route SET allow_private = false")
        house.come(1)
        house.work()
        assert server.requests == []
    ((attempts, ended, reason),) = house.errands()
    assert (attempts, ended) == (1, False)
    assert "https" in reason


def test_nothing_goes_to_a_web_server_that_it_came_through(house: House) -> None:
    """An image that came through the route's server stays; the others carry the marks that they came with."""
    with origin() as server:
        house.route(url=server.url, allow_private=True)
        house.come(1, 2)
        house.store.sql(
            "UPDATE instance SET via = CASE instance_number WHEN 1 THEN ARRAY[%s, 'a:1'] ELSE ARRAY['a:1'] END",
            f"127.0.0.1:{server.server_port}",
        )
        house.work()
        ((_, headers, body),) = server.requests
    assert headers["Via"] == f"1.1 a:1, 1.1 {OWN}"
    assert body.count(b"DICM") == 1
    assert house.errands() == [(0, True, None)]
    assert [row[4].split(" ")[0] for row in house.trail()] == [uid(1, 1, 2)]
