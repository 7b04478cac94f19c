"""Unified Procedure Steps as pynetdicom's SCU speaks of them, and an AE of pynetdicom that is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event as Heard
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dicomweb.dimse.workitem_report import teller
from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from healix_fhir.kernel.database import Row
from tests.support.workitems import TRANSACTION, Members, members, performed, state, workitem

PUSH, WATCH, PULL, EVENT, QUERY = (UID(f"1.2.840.10008.5.1.4.34.6.{number}") for number in range(1, 6))
CLASSES = (PUSH, WATCH, PULL, QUERY)
WORKLIST = "1.2.840.10008.5.1.4.34.5"
FILTERED = f"{WORKLIST}.1"
ITEM = "1.2.826.0.1.3680043.10.1714.95.1"
CHANGE_STATE, CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
CONTEXT = {CHANGE_STATE: PULL, CANCEL: WATCH, SUBSCRIBE: WATCH, UNSUBSCRIBE: WATCH, SUSPEND: WATCH}
"""The class in whose context each action is asked for, where nothing else is said."""


def data_set(given: Members | Dataset) -> Dataset:
    """As pynetdicom takes it."""
    return given if isinstance(given, Dataset) else Dataset.from_json(given)


@dataclass
class Scu:
    """A caller of the DIMSE port; each request has an association of its own."""

    port: int
    calling: str = "MODALITY"
    syntaxes: Sequence[str] = (ImplicitVRLittleEndian,)

    @contextmanager
    def associated(self, extended: bytes = b"") -> Iterator[Association]:
        """An association with a context for each class."""
        entity = AE(ae_title=self.calling)
        for uid in CLASSES:
            entity.add_requested_context(uid, list(self.syntaxes))
        further = []
        if extended:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = PULL, extended
            further.append(item)
        association = entity.associate("127.0.0.1", self.port, ae_title="HEALIX", ext_neg=further)  # type: ignore[arg-type]
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def create(self, given: Members | Dataset | None = None, uid: str | None = ITEM, context: str = PUSH) -> Dataset:
        """N-CREATE; the command set of the response."""
        with self.associated() as association:
            made = data_set(workitem() if given is None else given)
            status, _ = association.send_n_create(made, PUSH, uid, meta_uid=UID(context))
            return status

    def set(self, given: Members | Dataset, uid: str = ITEM, context: str = PULL) -> int:
        """N-SET; the status."""
        with self.associated() as association:
            status, _ = association.send_n_set(data_set(given), PUSH, UID(uid), meta_uid=UID(context))
            return int(status.Status)

    def get(self, *tags: int, uid: str = ITEM, context: str = PULL) -> tuple[int, Dataset | None]:
        """N-GET; status and attributes."""
        with self.associated() as association:
            wanted = [Tag(tag) for tag in tags]
            status, found = association.send_n_get(wanted, PUSH, UID(uid), meta_uid=UID(context))
            return int(status.Status), found

    def act(self, action: int, given: Members | Dataset | None, uid: str = ITEM, context: str | None = None) -> int:
        """N-ACTION; the status."""
        with self.associated() as association:
            sent: Any = None if given is None else data_set(given)
            meta = UID(context) if context else CONTEXT[action]
            status, _ = association.send_n_action(sent, action, PUSH, UID(uid), meta_uid=meta)
            return int(status.Status)

    def find(
        self, keys: Members | Dataset, context: str = PULL, extended: bytes = b""
    ) -> tuple[list[int], list[Dataset]]:
        """C-FIND; the statuses, and the matches."""
        with self.associated(extended) as association:
            answers = list(association.send_c_find(data_set(keys), UID(context)))
        return [int(status.Status) for status, _ in answers], [found for _, found in answers if found is not None]

    def claim(self, uid: str = ITEM, transaction: str = TRANSACTION) -> int:
        """Take an item up."""
        return self.act(CHANGE_STATE, state("IN PROGRESS", transaction), uid)

    def finish(self, uid: str = ITEM) -> list[int]:
        """Complete an item, from the beginning."""
        return [
            self.claim(uid),
            self.set(performed() | members(TransactionUID=TRANSACTION), uid),
            self.act(CHANGE_STATE, state("COMPLETED"), uid),
        ]

    def subscribe(self, uid: str = ITEM, aet: str = "WATCHER", lock: str = "FALSE", **keys: Any) -> int:
        """Subscribe a title."""
        return self.act(SUBSCRIBE, members(ReceivingAE=aet, DeletionLock=lock, **keys), uid)


@dataclass
class Told:
    """A report: its type, the item, its attributes, and the class and context that it came in."""

    event: int
    item: str
    information: Dataset
    sop_class: str
    context: str

    @property
    def short(self) -> tuple[int, str, str | None]:
        """Type, item and state."""
        return self.event, self.item, self.information.get("ProcedureStepState")


@dataclass
class Watching:
    """What an AE was told, and how it answers: statuses from the front, then success."""

    told: list[Told] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def hear(self, event: Heard) -> tuple[int, None]:
        """Keep a report that is taken."""
        status = self.statuses.pop(0) if self.statuses else 0
        if status == 0:
            asked: Any = event.request
            self.told.append(
                Told(
                    int(asked.EventTypeID),
                    str(asked.AffectedSOPInstanceUID),
                    event.event_information,
                    str(asked.AffectedSOPClassUID),
                    str(event.context.abstract_syntax),
                )
            )
        return status, None

    def short(self) -> list[tuple[int, str, str | None]]:
        """All so far, in short; then none."""
        found = [one.short for one in self.told]
        self.told.clear()
        return found


@contextmanager
def watching(port: int, aet: str = "WATCHER") -> Iterator[Watching]:
    """An AE that waits for reports on a port."""
    entity = AE(aet)
    entity.add_supported_context(EVENT, scu_role=False, scp_role=True)
    heard = Watching()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, heard.hear)])
    assert server is not None
    try:
        yield heard
    finally:
        server.shutdown()


@dataclass
class Errands:
    """The job worker's part: the reports that wait, told when a test says so."""

    url: str
    step: Callable[[Connection[Row]], int] = field(default_factory=lambda: worker({Kind.EVENT: teller(Event())}))

    def work(self) -> int:
        """Do all that is due; how many."""
        count = 0
        with psycopg.connect(self.url, autocommit=True) as connection:
            while self.step(connection):
                count += 1
        return count


def sql(pool: ConnectionPool[Connection[Row]], statement: str, *params: Any) -> list[Row]:
    """Rows of a statement."""
    with pool.connection() as connection:
        cursor = connection.execute(statement, params)
        return cursor.fetchall() if cursor.description else []
