"""C-GET against the whole service: what comes back over the association, and what the responses and the trail say."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import ct, data_set, rle, uid, with_pixels
from tests.support.dimse import EXPLICIT, IMPLICIT
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.study import Store, open_store
from tests.support.tools import require_tool

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2)
PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1.3", "1.2.840.10008.5.1.4.1.2.2.3"
CT, MR = str(CTImageStorage), str(MRImageStorage)
RLE, JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
SUCCESS, PENDING, WARNING, CANCELLED, FAILED, MISMATCH = 0x0000, 0xFF00, 0xB000, 0xFE00, 0xA702, 0xA900


@dataclass
class Got:
    """What a C-GET brought: statuses and counts of its responses, failed instances, and the objects."""

    statuses: list[int] = field(default_factory=list)
    counts: list[tuple[int | None, ...]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    objects: list[Dataset] = field(default_factory=list)
    priorities: list[int | None] = field(default_factory=list)

    @property
    def instances(self) -> list[str]:
        """The SOP Instance UIDs of the objects."""
        return [one.SOPInstanceUID for one in self.objects]


@dataclass
class Service:
    """A running service, and the store behind it."""

    port: int
    store: Store

    def get(
        self,
        keys: Mapping[str, Any],
        root: str = STUDY_ROOT,
        *,
        contexts: Sequence[tuple[str, str]] = ((CT, EXPLICIT),),
        relational: bool = False,
        priority: int = 2,
        answer: Callable[[int], int] = lambda _: SUCCESS,
        cancel_at: int | None = None,
    ) -> Got:
        """Ask by pynetdicom as MODALITY; `answer` gives the status of each C-STORE by its number."""
        got = Got()
        entity = AE(ae_title=CALLER)

        def stored(event: Event) -> int:
            one = event.dataset
            one.file_meta = event.file_meta
            got.objects.append(one)
            assert isinstance(event.request, C_STORE)
            got.priorities.append(event.request.Priority)
            if cancel_at == len(got.objects):
                event.assoc.send_c_cancel(7, query_model=root)
            return answer(len(got.objects))

        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = root, b"\x01"
        asked = Dataset()
        for keyword, value in keys.items():
            setattr(asked, keyword, value)
        offered = [build_context(root, [EXPLICIT])]
        offered += [build_context(sop_class, [syntax]) for sop_class, syntax in contexts]
        roles = [build_role(sop_class, scp_role=True) for sop_class in dict.fromkeys(one for one, _ in contexts)]
        association = entity.associate(
            "127.0.0.1",
            self.port,
            contexts=offered,
            ae_title="HEALIX",
            ext_neg=[*roles, *([item] if relational else [])],
            evt_handlers=[(evt.EVT_C_STORE, stored)],
        )
        assert association.is_established
        try:
            for status, identifier in association.send_c_get(asked, root, msg_id=7, priority=priority):
                got.statuses.append(status.Status)
                kinds = ("Remaining", "Completed", "Failed", "Warning")
                got.counts.append(tuple(status.get(f"NumberOf{kind}Suboperations") for kind in kinds))
                if identifier is not None:
                    listed = identifier.get("FailedSOPInstanceUIDList", [])
                    got.failed = [listed] if isinstance(listed, str) else list(listed)
        finally:
            association.release()
        return got


@pytest.fixture
def service(pool: Pool, tmp_path: Path) -> Iterator[Service]:
    """Two studies of P1 and one of P2."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    store = open_store(pool, settings.data_dir / "images")
    store.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16), ct(1, 2, 1, size=16), ct(2, 1, 1, size=16))
    store.add(ct(3, 1, 1, size=16, PatientID="P2"))
    with serving_dimse(settings, pool, LIMITS) as port:
        yield Service(port, store)


STUDY_1 = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid(1)}
FIRST, SECOND, THIRD, OTHER = uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1), uid(2, 1, 1)

WANTED: list[tuple[str, dict[str, Any], list[str]]] = [
    (PATIENT_ROOT, {"QueryRetrieveLevel": "PATIENT", "PatientID": "P1"}, [FIRST, SECOND, THIRD, OTHER]),
    (PATIENT_ROOT, {**STUDY_1, "PatientID": "P1"}, [FIRST, SECOND, THIRD]),
    (PATIENT_ROOT, {**STUDY_1, "PatientID": "P2"}, []),
    (STUDY_ROOT, STUDY_1, [FIRST, SECOND, THIRD]),
    (STUDY_ROOT, {**STUDY_1, "StudyInstanceUID": [uid(1), uid(2)]}, [FIRST, SECOND, THIRD, OTHER]),
    (STUDY_ROOT, {**STUDY_1, "QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": uid(1, 1)}, [FIRST, SECOND]),
    (
        STUDY_ROOT,
        {
            **STUDY_1,
            "QueryRetrieveLevel": "IMAGE",
            "SeriesInstanceUID": uid(1, 1),
            "SOPInstanceUID": [SECOND, uid(9, 9, 9)],
        },
        [SECOND],
    ),
    (STUDY_ROOT, {**STUDY_1, "StudyInstanceUID": uid(77)}, []),
]


@pytest.mark.spec("PS3.4 C.4.3.3.1 (2024d)")
@pytest.mark.parametrize(("root", "keys", "instances"), WANTED)
def test_each_level(service: Service, root: str, keys: dict[str, Any], instances: list[str]) -> None:
    """What the unique keys of a level name comes back, counted down; nothing that matches is success."""
    got = service.get(keys, root)
    total = len(instances)
    assert got.instances == instances
    assert got.statuses == [PENDING] * (total - 1) + [SUCCESS]
    assert got.counts == [(total - done, done, 0, 0) for done in range(1, total)] + [(None, total, 0, 0)]


@pytest.mark.spec("PS3.4 C.4.3.1.4 (2024d)")
@pytest.mark.parametrize(
    ("keys", "relational", "status"),
    [
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": uid(1, 1)}, False, MISMATCH),
        ({"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": uid(1, 1)}, True, SUCCESS),
        ({"QueryRetrieveLevel": "PATIENT", "PatientID": "P1"}, False, MISMATCH),
        ({"QueryRetrieveLevel": "STUDY"}, False, MISMATCH),
        ({"StudyInstanceUID": uid(1)}, False, MISMATCH),
        ({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.*"}, False, MISMATCH),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
def test_identifiers_that_do_not_suit(service: Service, keys: dict[str, str], relational: bool, status: int) -> None:
    """Keys above are needed unless relational retrieval was agreed on; what does not suit is A900H and on record."""
    got = service.get(keys, relational=relational)
    assert got.statuses[-1] == status
    assert bool(got.objects) is (status == SUCCESS)
    refused = service.store.sql("SELECT count(*) FROM audit_event WHERE subtype = 'C-GET' AND outcome = 4")
    assert refused == [(int(status == MISMATCH),)]


def test_objects_come_as_they_are_stored(service: Service) -> None:
    """The data set that arrives is the one that was stored, byte for byte where the transfer syntax is the same."""
    file = ct(8, 1, 1, size=300)
    service.store.add(file)
    (one,) = service.get({**STUDY_1, "StudyInstanceUID": uid(8)}).objects
    kept = pydicom.dcmread(io.BytesIO(file))
    one_meta = one.file_meta
    del one.file_meta, kept.file_meta
    assert one == kept
    assert one_meta.TransferSyntaxUID == EXPLICIT


WAYS: list[tuple[str, list[tuple[str, str]], str | None]] = [
    ("as stored", [(CT, IMPLICIT), (CT, RLE)], RLE),
    ("uncompressed", [(CT, IMPLICIT), (CT, JPEG_2000_LOSSLESS), (CT, EXPLICIT)], EXPLICIT),
    ("implicit", [(CT, IMPLICIT)], IMPLICIT),
    ("in another compression", [(CT, JPEG_2000_LOSSLESS)], JPEG_2000_LOSSLESS),
    ("not at all", [(CT, "1.2.840.10008.1.2.4.102")], None),
    ("not in its class", [(MR, EXPLICIT)], None),
]


@pytest.mark.spec("PS3.4 C.5.3 (2024d)")
@pytest.mark.parametrize("case", WAYS, ids=[way[0] for way in WAYS])
def test_transfer_syntaxes(service: Service, case: tuple[str, list[tuple[str, str]], str | None]) -> None:
    """An object goes as it is stored where the peer takes that, else written anew without loss, or it fails."""
    _, contexts, syntax = case
    image = with_pixels(data_set(9, 1, 1), rows=16, columns=16)
    pixels = image.PixelData
    service.store.add(rle(image))
    got = service.get({**STUDY_1, "StudyInstanceUID": uid(9)}, contexts=contexts)
    if syntax is None:
        assert (got.objects, got.statuses, got.failed) == ([], [FAILED], [uid(9, 1, 1)])
        return
    (one,) = got.objects
    assert one.file_meta.TransferSyntaxUID == syntax
    one.decompress() if syntax not in (EXPLICIT, IMPLICIT) else None
    assert one.PixelData == pixels


@pytest.mark.spec("PS3.4 C.4.3.1.4 (2024d)")
@pytest.mark.parametrize(
    ("answers", "status", "counts", "failed"),
    [
        ((SUCCESS, 0xA700, SUCCESS), WARNING, (2, 1, 0), [SECOND]),
        ((0xA700, 0xC000, 0x0110), FAILED, (0, 3, 0), [FIRST, SECOND, THIRD]),
        ((SUCCESS, 0xB000, 0xB007), WARNING, (1, 0, 2), []),
    ],
)
def test_partial_success(
    service: Service, answers: tuple[int, ...], status: int, counts: tuple[int, int, int], failed: list[str]
) -> None:
    """What the peer refuses or warns of is counted and named in the last response, and failures are on record."""
    got = service.get(STUDY_1, answer=lambda number: answers[number - 1])
    assert got.statuses[-1] == status
    assert got.counts[-1] == (None, *counts)
    assert got.failed == failed
    trail = service.store.sql("SELECT query FROM audit_event WHERE subtype = 'C-GET' AND outcome = 8")
    assert trail == ([(f"{len(failed)} of 3 instances failed",)] if failed else [])


@pytest.mark.spec("PS3.4 C.4.3.1.2 (2024d)")
def test_instances_come_with_the_priority_of_the_request(service: Service) -> None:
    """All of them alike."""
    assert service.get(STUDY_1, priority=1).priorities == [1, 1, 1]


@pytest.mark.spec("PS3.7 9.3.3.3 (2024d)")
def test_cancel(service: Service) -> None:
    """A C-CANCEL stops after the sub-operation under way; the last response says what is left."""
    got = service.get(STUDY_1, cancel_at=1)
    assert got.instances == [FIRST]
    assert got.statuses[-1] == CANCELLED
    assert got.counts[-1] == (2, 1, 0, 0)


def test_more_than_is_sent_at_once(pool: Pool, tmp_path: Path) -> None:
    """A request for more instances than its limit is refused with A701H, and nothing is on record as sent."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    store = open_store(pool, settings.data_dir / "images")
    store.add(ct(1, 1, 1, size=16), ct(1, 1, 2, size=16))
    with serving_dimse(settings, pool, replace(LIMITS, instances=1)) as port:
        got = Service(port, store).get(STUDY_1)
    assert (got.statuses, got.objects) == ([0xA701], [])
    assert store.sql("SELECT entity FROM audit_event WHERE subtype = 'retrieve'") == []


def test_retrievals_are_on_record(service: Service) -> None:
    """The trail says which study was given to whom, as for WADO-RS."""
    service.get(STUDY_1)
    assert service.store.sql("SELECT action, outcome, client, entity FROM audit_event WHERE subtype = 'retrieve'") == [
        ("R", 0, CALLER, uid(1))
    ]


@pytest.mark.parametrize("right", [Right.ECHO, Right.STORE, Right.FIND, Right.MOVE])
def test_without_the_right_nothing_is_given(service: Service, right: Right) -> None:
    """A peer without the right to get has no presentation context for it, and is no SCP of storage."""
    service.store.run(peers.add(CALLER, "127.0.0.1", 104, [right]))
    entity = AE(ae_title=CALLER)
    association = entity.associate(
        "127.0.0.1",
        service.port,
        contexts=[build_context(STUDY_ROOT, [EXPLICIT]), build_context(CT, [EXPLICIT])],
        ae_title="HEALIX",
        ext_neg=[build_role(CT, scp_role=True)],
    )
    assert not association.is_established


def test_getscu(service: Service, tmp_path: Path) -> None:
    """The getscu of dcmtk gets a study into files."""
    tool, into = require_tool("getscu"), tmp_path / "got"
    into.mkdir()
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}"]
    options = ["-S", "-od", str(into), "-aet", CALLER, "-aec", "HEALIX", "127.0.0.1", str(service.port)]
    subprocess.run([tool, *options, *keys], check=True, timeout=60, capture_output=True)
    found = sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in into.iterdir())
    assert found == [FIRST, SECOND, THIRD]
