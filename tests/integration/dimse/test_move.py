"""C-MOVE against the whole service: what arrives at the destination, and what the responses and the trail say of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.uid import CTImageStorage
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.dimse.query_retrieve import Entity
from dicomweb.dimse.requestor import Remote
from dicomweb.dimse.retrieving import keys, moved
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import Settings
from tests.bench.dimse_servers import free_port
from tests.support.dicom import ct, data_set, rle, uid, with_pixels
from tests.support.dimse import EXPLICIT, IMPLICIT
from tests.support.dimse_service import serving_dimse
from tests.support.serve import wait_until
from tests.support.storage_peers import local, receiving
from tests.support.study import Store, open_store
from tests.support.tools import require_tool

Keys = Mapping[str, str | list[str]]
Pool = ConnectionPool[Connection[Row]]
PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.2"
CT = str(CTImageStorage)
LIMITS = Limits(drain=2)


@dataclass
class Service:
    """A running service, and the store behind it."""

    port: int
    store: Store

    def knows(self, remote: Remote) -> None:
        """Make a peer known as ARCHIVE."""
        self.store.run(peers.add("ARCHIVE", remote.host, remote.port))

    def trail(self, *words: str) -> list[Row]:
        """Word, outcome, caller, entity and query of the rows with these words."""
        return self.store.sql(
            "SELECT subtype, outcome, client, entity, query FROM audit_event WHERE subtype = ANY(%s) ORDER BY seq",
            list(words),
        )


@pytest.fixture
def service(pool: Pool, tmp_path: Path) -> Iterator[Service]:
    """A service with the peer MODALITY, and two studies of P1 and one of P2."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, LIMITS) as port:
        store = open_store(pool, settings.data_dir / "images")
        store.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16), ct(1, 2, 1, size=16), ct(2, 1, 1, size=16))
        store.add(ct(3, 1, 1, size=16, PatientID="P2"))
        yield Service(port, store)


@dataclass
class Moved:
    """The responses of a C-MOVE: statuses, the counts of each, and the last identifier."""

    statuses: list[int]
    counts: list[tuple[int | None, ...]]
    failed: list[str]


def study(number: int) -> Keys:
    """The keys of a study."""
    return {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid(number)}


def move(
    service: Service,
    keys: Keys,
    destination: str = "ARCHIVE",
    root: str = STUDY_ROOT,
    *,
    relational: bool = False,
    priority: int = 2,
    cancel_at: int | None = None,
) -> Moved:
    """Ask for a C-MOVE by pynetdicom as MODALITY."""
    ae = AE("MODALITY")
    ae.add_requested_context(root, [IMPLICIT])
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = root, b"\x01"
    asked = Dataset()
    for keyword, value in keys.items():
        asked.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=IGNORE))
    association = ae.associate("127.0.0.1", service.port, ae_title="HEALIX", ext_neg=[item] if relational else [])
    assert association.is_established
    found = Moved([], [], [])
    for status, identifier in association.send_c_move(asked, destination, root, msg_id=7, priority=priority):
        found.statuses.append(status.Status)
        found.counts.append(
            tuple(
                status.get(f"NumberOf{kind}Suboperations") for kind in ("Remaining", "Completed", "Failed", "Warning")
            )
        )
        if identifier is not None and "FailedSOPInstanceUIDList" in identifier:
            given = identifier.FailedSOPInstanceUIDList
            found.failed = [given] if isinstance(given, str) else list(given)
        if cancel_at is not None and len(found.statuses) == cancel_at:
            association.send_c_cancel(7, query_model=root)
    association.release()
    return found


@pytest.mark.spec("PS3.4 C.4.2.3.1 (2024d)")
def test_a_study_arrives(service: Service) -> None:
    """Each instance of a study arrives; a pending response after each but the last, with the counts, then success."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        found = move(service, study(1))
    assert found.statuses == [0xFF00, 0xFF00, 0x0000]
    assert found.counts == [(2, 1, 0, 0), (1, 2, 0, 0), (None, 3, 0, 0)]
    assert {one.data_set.SOPInstanceUID for one in peer.kept} == {uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1)}
    assert [one.originator for one in peer.kept] == [("MODALITY", 7)] * 3
    assert (peer.associations, peer.ended) == (1, ["released"])
    assert service.trail("retrieve", "C-MOVE") == [("retrieve", 0, "MODALITY", uid(1), "to ARCHIVE")]


@pytest.mark.spec("PS3.4 C.4.2.1.3 (2024d)")
@pytest.mark.parametrize("priority", [0, 1, 2])
def test_instances_go_with_the_priority_of_the_request(service: Service, priority: int) -> None:
    """All of them alike."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        move(service, study(1), priority=priority)
    assert [one.priority for one in peer.kept] == [priority] * 3


ASKED: dict[str, tuple[str, Keys, set[str]]] = {
    "studies": (
        STUDY_ROOT,
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": [uid(2), uid(3)]},
        {uid(2, 1, 1), uid(3, 1, 1)},
    ),
    "series": (
        STUDY_ROOT,
        {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": uid(1), "SeriesInstanceUID": uid(1, 2)},
        {uid(1, 2, 1)},
    ),
    "images": (
        STUDY_ROOT,
        {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": uid(1),
            "SeriesInstanceUID": uid(1, 1),
            "SOPInstanceUID": [uid(1, 1, 2), uid(9, 9, 9)],
        },
        {uid(1, 1, 2)},
    ),
    "patient": (
        PATIENT_ROOT,
        {"QueryRetrieveLevel": "PATIENT", "PatientID": "P2"},
        {uid(3, 1, 1)},
    ),
    "study of a patient": (
        PATIENT_ROOT,
        {"QueryRetrieveLevel": "STUDY", "PatientID": "P1", "StudyInstanceUID": uid(2)},
        {uid(2, 1, 1)},
    ),
    "study of another patient": (
        PATIENT_ROOT,
        {"QueryRetrieveLevel": "STUDY", "PatientID": "P2", "StudyInstanceUID": uid(2)},
        set(),
    ),
    "nothing": (STUDY_ROOT, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid(77)}, set()),
}


@pytest.mark.spec("PS3.4 C.4.2.2.1 (2024d)")
@pytest.mark.parametrize("what", ASKED)
def test_what_the_keys_name_arrives(service: Service, what: str) -> None:
    """The unique keys of each level of both models name what arrives; nothing is success without a sub-operation."""
    root, keys, instances = ASKED[what]
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        found = move(service, keys, root=root)
    assert found.statuses[-1] == 0
    assert found.counts[-1] == (None, len(instances), 0, 0)
    assert {one.data_set.SOPInstanceUID for one in peer.kept} == instances


REFUSED: dict[str, tuple[str, Keys]] = {
    "no level": (STUDY_ROOT, {"StudyInstanceUID": uid(1)}),
    "an unknown level": (STUDY_ROOT, {"QueryRetrieveLevel": "FRAME", "StudyInstanceUID": uid(1)}),
    "a level of the other model": (STUDY_ROOT, {"QueryRetrieveLevel": "PATIENT", "PatientID": "P1"}),
    "no key": (STUDY_ROOT, {"QueryRetrieveLevel": "STUDY", "PatientID": "P1"}),
    "an empty key": (STUDY_ROOT, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}),
    "no key of a level above": (STUDY_ROOT, {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": uid(1, 1)}),
    "no patient": (PATIENT_ROOT, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid(1)}),
    "a list above": (
        STUDY_ROOT,
        {
            "QueryRetrieveLevel": "SERIES",
            "StudyInstanceUID": [uid(1), uid(2)],
            "SeriesInstanceUID": uid(1, 1),
        },
    ),
    "a wildcard": (STUDY_ROOT, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.*"}),
}


@pytest.mark.spec("PS3.4 C.4.2.1.5 (2024d)")
@pytest.mark.parametrize("what", REFUSED)
def test_keys_that_do_not_match_the_model(service: Service, what: str) -> None:
    """An identifier without the keys of its level, or with others than it may have, is refused with A900H."""
    root, keys = REFUSED[what]
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        assert move(service, keys, root=root).statuses == [0xA900]
    assert peer.associations == 0
    assert [row[1] for row in service.trail("retrieve", "C-MOVE")] == [4]


@pytest.mark.spec("PS3.4 C.5.2.1 (2024d)")
def test_relational_retrieval_needs_no_keys_above(service: Service) -> None:
    """With relational retrieval agreed on, the keys of the levels above may be left out."""
    keys: Keys = {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": uid(1, 1)}
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        found = move(service, keys, relational=True)
    assert found.statuses[-1] == 0
    assert {one.data_set.SOPInstanceUID for one in peer.kept} == {uid(1, 1, 1), uid(1, 1, 2)}


@pytest.mark.spec("PS3.4 C.4.2.1.5 (2024d)")
@pytest.mark.parametrize("destination", ["NOBODY", "HEALIX"])
def test_an_unknown_destination(service: Service, destination: str) -> None:
    """A destination that is no known peer is refused with A801H, before anything is looked for."""
    found = move(service, study(1), destination)
    assert found.statuses == [0xA801]
    message = f"to {destination}: the move destination is no known peer"
    assert service.trail("retrieve", "C-MOVE") == [("C-MOVE", 4, "MODALITY", None, message)]


def test_a_destination_with_a_nul_is_unknown_and_on_record(service: Service) -> None:
    """The trail has no text for a NUL, and has the request all the same."""
    asked = moved(local(service.port), keys(Entity.STUDY, [uid(1)]), "NO\0BODY")
    with pytest.raises(HealixError, match="A801H"):
        list(asked)
    message = "to NO\\BODY: the move destination is no known peer"
    assert service.trail("C-MOVE") == [("C-MOVE", 4, "MODALITY", None, message)]


def test_a_destination_that_is_away(service: Service) -> None:
    """When the destination does not listen every sub-operation has failed: A702H, with the instances."""
    service.store.run(peers.add("ARCHIVE", "127.0.0.1", free_port()))
    found = move(service, study(1))
    assert found.statuses[-1] == 0xA702
    assert found.counts[-1] == (None, 0, 3, 0)
    assert sorted(found.failed) == [uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1)]
    assert service.trail("C-MOVE") == [("C-MOVE", 8, "MODALITY", None, "to ARCHIVE: 3 of 3 instances failed")]


@pytest.mark.spec("PS3.4 C.4.2.3.1 (2024d)")
def test_failures_and_warnings_are_counted(service: Service) -> None:
    """With some failures and warnings the last status is B000H, and the identifier names the instances that failed."""
    answers = {uid(1, 1, 1): 0xA700, uid(1, 1, 2): 0xB000}
    with receiving([(CT, [EXPLICIT])], lambda ds: answers.get(str(ds.SOPInstanceUID), 0)) as peer:
        service.knows(peer.remote)
        found = move(service, study(1))
    assert found.statuses[-1] == 0xB000
    assert found.counts[-1] == (None, 1, 1, 1)
    assert found.failed == [uid(1, 1, 1)]


@pytest.mark.spec("PS3.4 C.4.2.2.2 (2024d)")
def test_what_the_destination_does_not_take_is_written_anew(service: Service) -> None:
    """Compressed images arrive uncompressed, with the same pixels, where the destination takes no more."""
    image = with_pixels(data_set(4, 1, 1))
    pixels = image.PixelData
    service.store.add(rle(image))
    with receiving([(CT, [IMPLICIT])]) as peer:
        service.knows(peer.remote)
        found = move(service, study(4))
    assert found.statuses == [0]
    assert [(one.syntax, one.data_set.PixelData) for one in peer.kept] == [(IMPLICIT, pixels)]


@pytest.mark.spec("PS3.4 C.4.2.3.1 (2024d)")
def test_cancel(service: Service) -> None:
    """After a C-CANCEL nothing more is sent, and the last response has what remains: FE00H."""
    service.store.add(*[ct(5, 1, number, size=16) for number in range(1, 41)])
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        found = move(service, study(5), cancel_at=2)
    assert found.statuses[-1] == 0xFE00
    remaining, completed, failed, warning = found.counts[-1]
    assert remaining
    assert remaining + len(peer.kept) == 40
    assert (completed, failed, warning) == (len(peer.kept), 0, 0)
    assert peer.ended == ["released"]


@pytest.mark.spec("PS3.8 7.3 (2024d)")
def test_who_goes_away_ends_the_move(service: Service) -> None:
    """When the one who asked hangs up nothing more is sent."""
    service.store.add(*[ct(5, 1, number, size=16) for number in range(1, 101)])
    ae = AE("MODALITY")
    ae.add_requested_context(STUDY_ROOT, [EXPLICIT])
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", uid(5)
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        association = ae.associate("127.0.0.1", service.port, ae_title="HEALIX")
        responses = association.send_c_move(asked, "ARCHIVE", STUDY_ROOT)
        next(responses)
        association.abort()
        wait_until(lambda: peer.ended, "the end of the association")
    assert len(peer.kept) < 100


def test_without_the_right_it_is_not_offered(service: Service) -> None:
    """A peer that may not move has its context refused."""
    service.store.run(peers.add("MODALITY", "127.0.0.1", 104, {Right.FIND, Right.GET}))
    ae = AE("MODALITY")
    ae.add_requested_context(STUDY_ROOT, [EXPLICIT])
    association = ae.associate("127.0.0.1", service.port, ae_title="HEALIX")
    assert not association.accepted_contexts
    association.abort()


def test_a_lost_database(service: Service) -> None:
    """When the instances cannot be found the request fails with A701H, and the association goes on."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        service.store.sql("ALTER TABLE instance RENAME TO away")
        found = move(service, study(1))
        service.store.sql("ALTER TABLE away RENAME TO instance")
    assert found.statuses == [0xA701]


def test_an_identifier_that_is_too_long(service: Service) -> None:
    """An identifier beyond its limit is refused with A701H, and the association goes on."""
    with receiving([(CT, [EXPLICIT])]) as peer:
        service.knows(peer.remote)
        keys: Keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": [uid(number) for number in range(40_000)]}
        found = move(service, keys)
    assert found.statuses == [0xA701]


def test_more_than_is_sent_at_once(pool: Pool, tmp_path: Path) -> None:
    """A request for more instances than its limit is refused with A701H, and nothing is on record as sent."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, replace(LIMITS, instances=1)) as port:
        store = open_store(pool, settings.data_dir / "images")
        store.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16), ct(2, 1, 1, size=16))
        service = Service(port, store)
        with receiving([(CT, [EXPLICIT])]) as peer:
            service.knows(peer.remote)
            assert move(service, study(1)).statuses == [0xA701]
            assert service.trail("retrieve") == []
            assert move(service, study(2)).statuses == [0x0000]
    assert len(peer.kept) == 1


def test_movescu_of_dcmtk(service: Service, tmp_path: Path) -> None:
    """The movescu of dcmtk receives a study at a port of its own."""
    port = free_port()
    service.store.run(peers.add("MOVESCU", "127.0.0.1", port))
    (tmp_path / "kept").mkdir()
    command = [require_tool("movescu"), "-S", "-aet", "MODALITY", "-aec", "HEALIX", "-aem", "MOVESCU", "+P", str(port)]
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}"]
    done = subprocess.run(
        [*command, "-od", str(tmp_path / "kept"), *keys, "127.0.0.1", str(service.port)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "kept").iterdir())) == 3
