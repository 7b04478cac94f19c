"""Requests for storage commitment as a modality writes them, by pydicom, and a modality that waits for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from tests.support.dicom import bare, part10, uid

TRANSACTION = uid(77)
CT = str(CTImageStorage)
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
