"""Storage commitment as others speak it, by pydicom: a modality that asks and waits, an archive that is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from threading import Event as Flag
from threading import Thread
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_ACTION_RSP
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from tests.bench.dimse_servers import free_port
from tests.support.dicom import bare, part10, uid
from tests.support.serve import wait_until

TRANSACTION = uid(77)
CT = str(CTImageStorage)
Roles = tuple[bool, bool]
"""Of the SCU and of the SCP."""
AS_SCP: Roles = (False, True)
WELL_KNOWN = "1.2.840.10008.1.20.1.1"


def information(*items: tuple[str, str], transaction: str | None = TRANSACTION) -> Dataset:
    """Action information that names these instances with their classes."""
    ds = Dataset()
    if transaction is not None:
        ds.TransactionUID = transaction
    ds.ReferencedSOPSequence = Sequence()
    for sop_class, sop_instance in items:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
        ds.ReferencedSOPSequence.append(item)
    return ds


def encoded(ds: Dataset, syntax: str = ImplicitVRLittleEndian) -> bytes:
    """The bare data set in a transfer syntax."""
    return bare(part10(ds, syntax))


@dataclass
class Reported:
    """What a peer was told: the event type, and the event information."""

    event: int
    information: Dataset

    @property
    def committed(self) -> list[str]:
        """The instances that are committed."""
        return [str(item.ReferencedSOPInstanceUID) for item in self.information.get("ReferencedSOPSequence", ())]

    @property
    def failed(self) -> dict[str, int]:
        """The reasons of those that are not."""
        items = self.information.get("FailedSOPSequence", ())
        return {str(item.ReferencedSOPInstanceUID): int(item.FailureReason) for item in items}


@contextmanager
def modality(port: int, status: Callable[[], int] = lambda: 0) -> Iterator[list[Reported]]:
    """A modality of pynetdicom that waits for reports on a port, and answers them with a status."""
    ae = AE("CT1")
    ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    told: list[Reported] = []

    def report(event: Event) -> tuple[int, None]:
        answer = status()
        if answer == 0:
            asked: Any = event.request
            told.append(Reported(int(asked.EventTypeID), event.event_information))
        return answer, None

    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report)])
    assert server is not None
    try:
        yield told
    finally:
        server.shutdown()


def asking(port: int, ds: Dataset, *, action: int = 1, instance: str = WELL_KNOWN, aet: str = "CT1") -> int:
    """The status that a modality of pynetdicom gets for a request; -1 when the context is refused."""
    ae = AE(aet)
    ae.add_requested_context(StorageCommitmentPushModel)
    association = ae.associate("127.0.0.1", port, ae_title="HEALIX")
    if not association.is_established:
        return -1
    try:
        answer, _ = association.send_n_action(ds, action, StorageCommitmentPushModel, instance)
        return int(answer.Status)
    finally:
        association.release()


@dataclass
class Archive:
    """An archive of pynetdicom that was asked for commitment: where it listens, and what it was asked for."""

    port: int
    asked: list[Dataset] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


def outcome(asked: Dataset, failed: Mapping[str, int] | None = None, unnamed: Collection[str] = ()) -> Dataset:
    """Event information about a request: what failed for which reason, and what is named nowhere; else committed."""
    why = failed or {}
    ds = Dataset()
    ds.TransactionUID = asked.TransactionUID
    ds.ReferencedSOPSequence, ds.FailedSOPSequence = Sequence(), Sequence()
    for one in asked.ReferencedSOPSequence:
        if one.ReferencedSOPInstanceUID in why:
            one.FailureReason = why[one.ReferencedSOPInstanceUID]
            ds.FailedSOPSequence.append(one)
        elif one.ReferencedSOPInstanceUID not in unnamed:
            ds.ReferencedSOPSequence.append(one)
    return ds


@contextmanager
def archive(
    at_once: Callable[[Dataset], Dataset] | None = None,
    status: int = 0,
    first: Callable[[Association, Dataset], None] | None = None,
) -> Iterator[Archive]:
    """It stores, answers requests with a status, and with `at_once` reports on the association of the request; `first`
    is what it does before it answers one.
    """
    ae = AE("ARCHIVE")
    ae.add_supported_context(CTImageStorage)
    ae.add_supported_context(StorageCommitmentPushModel, ImplicitVRLittleEndian)
    running = Archive(free_port())
    reporting: list[Thread] = []

    def take(event: Event) -> tuple[int, None]:
        ds = event.action_information
        running.asked.append(ds)
        if first is not None:
            first(event.assoc, ds)
        if at_once is not None:
            ds = at_once(ds)
            reporting.append(Thread(target=report, args=(event.assoc, ds)))
            reporting[-1].start()
        return status, None

    def report(association: Association, ds: Dataset) -> None:
        wait_until(answered.is_set, "the response")
        running.answers.append(sent(association, ds))

    answered = Flag()
    handlers: list[EventHandlerType] = [
        (evt.EVT_C_STORE, lambda _: 0),
        (evt.EVT_N_ACTION, take),
        (evt.EVT_DIMSE_SENT, lambda event: answered.set() if isinstance(event.message, N_ACTION_RSP) else None),
    ]
    server = ae.start_server(("127.0.0.1", running.port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield running
        for thread in reporting:
            thread.join(60)
    finally:
        server.shutdown()


def sent_first(association: Association, ds: Dataset) -> int:
    """The status that a report gets which is sent before the request that came on the association is answered."""
    report = N_EVENT_REPORT()
    report.MessageID, report.EventTypeID = 1, 1
    report.AffectedSOPClassUID, report.AffectedSOPInstanceUID = StorageCommitmentPushModel, UID(WELL_KNOWN)
    report.EventInformation = BytesIO(encoded(ds))
    (context,) = (one for one in association.accepted_contexts if one.abstract_syntax == StorageCommitmentPushModel)
    assert context.context_id is not None
    association.dimse.send_msg(report, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    assert isinstance(answer, N_EVENT_REPORT)
    return int(answer.Status or 0)


def sent(association: Association, ds: Dataset, event: int = 0, instance: str = WELL_KNOWN) -> int:
    """The status that a report gets on an association."""
    kind = event or (2 if ds.get("FailedSOPSequence") else 1)
    answer, _ = association.send_n_event_report(ds, kind, StorageCommitmentPushModel, instance)
    return int(answer.Status)


def reporting(
    port: int,
    ds: Dataset,
    *,
    aet: str = "ARCHIVE",
    event: int = 0,
    instance: str = WELL_KNOWN,
    roles: Roles | None = AS_SCP,
) -> int:
    """The status that a report gets on an association that a peer opens as SCP, or without a word of its role; -1 when
    it gets no context.
    """
    ae = AE(aet)
    ae.add_requested_context(StorageCommitmentPushModel)
    said = [] if roles is None else [build_role(StorageCommitmentPushModel, *roles)]
    association = ae.associate("127.0.0.1", port, ae_title="HEALIX", ext_neg=list(said))
    for context in association.accepted_contexts:
        context._as_scp = True  # what it would not send without the role is what is tried
    if not association.is_established:
        return -1
    try:
        return sent(association, ds, event, instance)
    finally:
        association.release()
