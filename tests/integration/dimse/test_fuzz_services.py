"""Spoiled messages to every service: each is answered with a status or ends its association; nothing fails within."""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import Dataset, dcmwrite

from dicomweb.dimse.command import CommandField
from dicomweb.dimse.contexts import SERVICES
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.dimse.storage_classes import STORAGE_CLASSES
from dicomweb.workitem.attributes import PUSH
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from tests.support.dicom import ct
from tests.support.dimse import CT, EXPLICIT, IMPLICIT, Peer, command, p_data, pdu, proposal, request_body
from tests.support.dimse_service import serving_dimse
from tests.support.faults_logged import faults_logged
from tests.support.study import open_store

Pool = ConnectionPool[Connection[Row]]
SEED = 20261129
MESSAGES = int(os.environ.get("HEALIX_FUZZ_CASES", "1500"))
MEMORY = 64 << 20
LIMITS = Limits(artim=2, progress=2, idle=3, drain=1, data_set=1 << 20)
CLASSES = [*sorted(set(SERVICES) - STORAGE_CLASSES), CT]
CONTEXTS = {2 * n + 1: uid for n, uid in enumerate(CLASSES)}
ANY = [field for field in CommandField if field is not CommandField.C_CANCEL_RQ]
FIELDS: Mapping[Right, Sequence[CommandField]] = {
    Right.ECHO: (CommandField.C_ECHO_RQ,),
    Right.STORE: (CommandField.C_STORE_RQ,),
    Right.FIND: (CommandField.C_FIND_RQ,),
    Right.GET: (CommandField.C_GET_RQ,),
    Right.MOVE: (CommandField.C_MOVE_RQ,),
    Right.WORKLIST: (CommandField.C_FIND_RQ,),
    Right.MPPS: (CommandField.N_CREATE_RQ, CommandField.N_SET_RQ, CommandField.N_GET_RQ),
    Right.COMMIT: (CommandField.N_ACTION_RQ,),
    Right.UPS: (
        CommandField.N_CREATE_RQ,
        CommandField.N_SET_RQ,
        CommandField.N_GET_RQ,
        CommandField.N_ACTION_RQ,
        CommandField.C_FIND_RQ,
    ),
}
"""The operations of each service."""
INSTANCES = ("1.2.3", "1.2.840.10008.1.20.1.1", "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1", "", "../x")
PENDING = (0xFF00, 0xFF01)
ANSWERED, THROWN_OUT = "answered", "thrown out"


def written(**elements: object) -> bytes:
    """A data set in implicit VR little endian."""
    data, buffer = Dataset(), BytesIO()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    dcmwrite(buffer, data, implicit_vr=True, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


def item(**elements: object) -> list[Dataset]:
    """A sequence of one item."""
    one = Dataset()
    for keyword, value in elements.items():
        setattr(one, keyword, value)
    return [one]


HONEST: Sequence[bytes] = (
    written(
        QueryRetrieveLevel="STUDY",
        SpecificCharacterSet="ISO_IR 100",
        PatientName="*",
        PatientID="",
        StudyDate="20200101-",
        ModalitiesInStudy="CT",
        StudyInstanceUID="1.2.3",
    ),
    written(QueryRetrieveLevel="IMAGE", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4", SOPInstanceUID=""),
    written(
        PatientName="",
        ScheduledProcedureStepSequence=item(
            Modality="CT", ScheduledStationAETitle="CT1", ScheduledProcedureStepStartDate="20260101-"
        ),
    ),
    written(
        TransactionUID="1.2.3",
        ReferencedSOPSequence=item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3.4.5"),
    ),
    written(
        PatientID="1",
        PerformedProcedureStepID="P1",
        PerformedProcedureStepStatus="IN PROGRESS",
        PerformedProcedureStepStartDate="20260101",
        PerformedProcedureStepStartTime="1200",
        Modality="CT",
        PerformedStationAETitle="CT1",
        ScheduledStepAttributesSequence=item(StudyInstanceUID="1.2.3", AccessionNumber="A"),
        PerformedSeriesSequence=[],
    ),
    written(
        ScheduledProcedureStepPriority="HIGH",
        ProcedureStepLabel="Segment",
        ScheduledProcedureStepStartDateTime="20260101",
        InputReadinessState="READY",
        ProcedureStepState="SCHEDULED",
        PatientID="1",
        ScheduledStationNameCodeSequence=item(CodeValue="A", CodingSchemeDesignator="99", CodeMeaning="A"),
    ),
    written(ProcedureStepState="IN PROGRESS", TransactionUID="1.2.3"),
    written(ReceivingAE="MODALITY", DeletionLock="TRUE"),
    written(
        ReceivingAE="MODALITY",
        DeletionLock="FALSE",
        PatientName="A*",
        ScheduledWorkitemCodeSequence=item(CodeValue="1"),
    ),
)


def flipped(data: bytes, dice: random.Random) -> bytes:
    """Some bits are others."""
    spoiled = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        spoiled[dice.randrange(len(spoiled))] ^= 1 << dice.randrange(8)
    return bytes(spoiled)


def cut(data: bytes, dice: random.Random) -> bytes:
    """It ends early."""
    return data[: dice.randrange(len(data))]


def stretched(data: bytes, dice: random.Random) -> bytes:
    """A length is another."""
    at = dice.randrange(len(data) - 4)
    return (
        data[:at] + dice.choice((b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\1\0\0\0")) + data[at + 4 :]
    )


def nested(data: bytes, dice: random.Random) -> bytes:
    """Sequences without end stand before it."""
    opening = struct.pack("<HHI", 0x0008, 0x1115, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return opening * dice.choice((3, 30, 3000)) + data


def strange(data: bytes, dice: random.Random) -> bytes:
    """Values are of other bytes."""
    at = dice.randrange(len(data))
    return data[:at] + dice.choice((b"\0", b"\\", b"\xff\xfe", b"\x1b$B", b"*?*?*", dice.randbytes(20))) + data[at:]


def intact(data: bytes, dice: random.Random) -> bytes:
    """As it should be, for some service or another."""
    del dice
    return data


SPOILED: Sequence[Callable[[bytes, random.Random], bytes]] = (flipped, cut, stretched, nested, strange, intact)


def asked(context: int, dice: random.Random) -> bytes:
    """A message in a context: any command, and a data set that some service would understand, spoiled."""
    uid, instance = CONTEXTS[context], dice.choice(INSTANCES)
    right, known = SERVICES[uid], dice.random() < 0.9
    if right is Right.UPS and dice.random() < 0.8:  # what N-services name there in any context
        uid = PUSH
    elements: dict[int, int | str] = {
        0x0002: uid,
        0x0003: uid,
        0x0100: int(dice.choice(FIELDS[right] if known else ANY)),
        0x0110: dice.randrange(1 << 16),
        0x0600: dice.choice(("MODALITY", "NOBODY", "", "\\")),
        0x0700: dice.choice((0, 1, 2, 9)),
        0x0800: 1,
        0x1000: instance,
        0x1001: instance,
        0x1008: dice.choice((1, 2, 3, 4, 5, 77)),
    }
    for optional in dice.sample(sorted(elements.keys() - {0x0100, 0x0800}), k=dice.choice((0, 0, 0, 1, 2))):
        del elements[optional]
    data = dice.choice(SPOILED)(dice.choice(HONEST), dice)
    return p_data(context, 3, command(elements)) + p_data(context, 2, data)


def answer(peer: Peer) -> str:
    """What becomes of a message: its last response, or the end of the association."""
    while (read := peer.read()) is not None and read[0] == 4:
        if b"\0\0\0\x09\2\0\0\0" in read[1] and _status(read[1]) not in PENDING:
            return ANSWERED
    assert read is None or read[0] == 7, read
    return THROWN_OUT


def _status(body: bytes) -> int:
    return int(struct.unpack_from("<H", body, body.index(b"\0\0\0\x09\2\0\0\0") + 8)[0])


@pytest.mark.timeout(0 if "HEALIX_FUZZ_CASES" in os.environ else 300)
@pytest.mark.spec("PS3.7 Annex C (2024d)")
def test_spoiled_messages(pool: Pool, tmp_path: Path) -> None:
    """Whatever comes for whichever service is answered with a status or an A-ABORT, and no failure of ours is among the
    reasons; memory is bounded and nothing refused is kept.
    """
    dice = random.Random(SEED)
    proposals = [proposal(context, uid, [IMPLICIT, EXPLICIT][:1]) for context, uid in CONTEXTS.items()]
    opening = pdu(1, request_body(proposals))
    told: Counter[str] = Counter()
    before = psutil.Process().memory_info().rss
    settings = Settings(data_dir=tmp_path / "data")
    open_store(pool, tmp_path / "elsewhere").add(ct(1, 1, 1, size=8))
    with faults_logged() as logs, serving_dimse(settings, pool, LIMITS) as port:
        left = MESSAGES
        while left:
            with Peer(port) as peer:
                peer.send(opening)
                assert peer.read() is not None
                outcome = ANSWERED
                while left and outcome is ANSWERED:
                    left -= 1
                    peer.send(asked(dice.choice(list(CONTEXTS)), dice))
                    told[outcome := answer(peer)] += 1
        grown = psutil.Process().memory_info().rss - before
    assert logs == []
    assert told[ANSWERED] > MESSAGES / 2
    assert grown < MEMORY
    assert not [path for path in (settings.data_dir / "images").rglob("*") if path.is_file()]
