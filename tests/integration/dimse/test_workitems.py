"""Unified Procedure Steps over DIMSE as another maker's SCU speaks of them: every status of every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from dicomweb.dimse import peers
from dicomweb.dimse.limits import Limits
from dicomweb.dimse.peers import Right
from dicomweb.workitem.retention import sweep
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.settings import Settings
from tests.support.dimse_service import serving_dimse
from tests.support.ups import (
    CANCEL,
    CHANGE_STATE,
    CLASSES,
    EVENT,
    FILTERED,
    ITEM,
    PULL,
    PUSH,
    QUERY,
    SUBSCRIBE,
    SUSPEND,
    UNSUBSCRIBE,
    WATCH,
    WORKLIST,
    Scu,
    sql,
)
from tests.support.workitems import TRANSACTION, Members, code, members, state, workitem

Pool = ConnectionPool[Connection[Row]]
LIMITS = Limits(drain=2)
OTHER_CLAIM = f"{TRANSACTION}.9"
NOBODY = f"{ITEM}.404"


@dataclass
class Station(Scu):
    """A caller of a running service, and the pool behind that."""

    pool: Pool | None = None

    def sql(self, statement: str, *params: Any) -> list[Row]:
        """Rows of a statement."""
        assert self.pool is not None
        return sql(self.pool, statement, *params)

    def bring(self, present: str) -> None:
        """An item in a state."""
        assert self.create().Status == 0
        if present == "IN PROGRESS":
            assert self.claim() == 0
        elif present == "COMPLETED":
            assert self.finish() == [0, 0, 0]
        elif present == "CANCELED":
            assert self.act(CANCEL, None) == 0


@pytest.fixture
def station(pool: Pool, tmp_path: Path) -> Iterator[Station]:
    """The service on a port of its own, with the peers MODALITY and WATCHER."""
    settings = replace(Settings(), data_dir=tmp_path / "data")
    with serving_dimse(settings, pool, LIMITS) as port:
        transaction(pool, lambda: peers.add("WATCHER", "127.0.0.1", 1))
        yield Station(port, pool=pool)


@pytest.mark.spec("PS3.4 CC.2")
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_workitem_from_its_creation_to_its_end(station: Station, syntax: str) -> None:
    """Created, found, looked at, claimed, changed, completed; each on record as the peer."""
    station.syntaxes = [syntax]
    assert station.create().Status == 0
    statuses, matches = station.find(members(SOPInstanceUID=None, ProcedureStepState="SCHEDULED"))
    assert (statuses, [str(one.SOPInstanceUID) for one in matches]) == ([0xFF00, 0], [ITEM])
    assert station.finish() == [0, 0, 0]
    status, found = station.get()
    assert status == 0
    assert found is not None
    assert (found.ProcedureStepState, found.SOPClassUID) == ("COMPLETED", PUSH)
    assert str(found.PatientName) == "Müller^Änne"
    (step,) = found.UnifiedProcedureStepPerformedProcedureSequence
    assert step.PerformedStationNameCodeSequence[0].CodeValue == "SEG1"
    assert "TransactionUID" not in found
    assert station.sql(
        "SELECT action, subtype, outcome, client, entity FROM audit_event"
        " WHERE subtype LIKE 'workitem-%%' OR subtype = 'query-workitem' ORDER BY seq"
    ) == [
        ("C", "workitem-create", 0, "MODALITY", ITEM),
        ("E", "query-workitem", 0, "MODALITY", None),
        ("U", "workitem-state", 0, "MODALITY", ITEM),
        ("U", "workitem-update", 0, "MODALITY", ITEM),
        ("U", "workitem-state", 0, "MODALITY", ITEM),
        ("R", "workitem-retrieve", 0, "MODALITY", ITEM),
    ]


def lacking(keyword: str) -> Members:
    """A new item without an attribute."""
    given = workitem()
    del given[next(iter(members(**{keyword: None})))]
    return given


CREATED: list[tuple[str, Members, str | None, int]] = [
    ("whole", workitem(), ITEM, 0),
    ("without a UID", workitem(), None, 0),
    ("without type 2", lacking("PatientSex"), ITEM, 0xB300),
    ("in progress", workitem(ProcedureStepState="IN PROGRESS"), ITEM, 0xC309),
    ("claimed", workitem(TransactionUID=TRANSACTION), ITEM, 0x0106),
    ("without type 1", lacking("ProcedureStepLabel"), ITEM, 0x0120),
    ("without a value", workitem(ProcedureStepLabel=None), ITEM, 0x0121),
    ("bad value", workitem(InputReadinessState="PERHAPS"), ITEM, 0x0106),
    ("another item", workitem(SOPInstanceUID=NOBODY), ITEM, 0x0106),
]


@pytest.mark.spec("PS3.4 Table CC.2.5-4")
@pytest.mark.parametrize(("given", "uid", "status"), [case[1:] for case in CREATED], ids=[case[0] for case in CREATED])
def test_statuses_of_creation(station: Station, given: Members, uid: str | None, status: int) -> None:
    """What is refused is not there, and on record as refused."""
    assert station.create(given, uid).Status == status
    stored = station.sql("SELECT uid FROM workitem")
    assert len(stored) == (status in (0, 0xB300))
    if stored:
        assert stored[0][0] == uid or stored[0][0].startswith("2.25.")
        assert station.create(given, stored[0][0]).Status == 0x0111
    refused = station.sql("SELECT entity FROM audit_event WHERE subtype = 'workitem-create' AND outcome = 4")
    assert len(refused) == 1


CLAIMED = {"TransactionUID": TRANSACTION}
LABEL = {"ProcedureStepLabel": "Another"}
SETS: list[tuple[str, dict[str, Any], int]] = [
    ("SCHEDULED", LABEL, 0),
    ("SCHEDULED", LABEL | CLAIMED, 0xC310),
    ("SCHEDULED", {"ProcedureStepLabel": None}, 0x0121),
    ("SCHEDULED", {"PatientID": "mrn-2"}, 0x0106),
    ("SCHEDULED", {"ProcedureStepState": "IN PROGRESS"}, 0x0106),
    ("SCHEDULED", {"ScheduledProcedureStepPriority": "NOW"}, 0x0106),
    ("IN PROGRESS", LABEL | CLAIMED, 0),
    ("IN PROGRESS", LABEL, 0xC301),
    ("IN PROGRESS", LABEL | {"TransactionUID": OTHER_CLAIM}, 0xC301),
    ("COMPLETED", LABEL | CLAIMED, 0xC300),
    ("CANCELED", LABEL, 0xC300),
]


@pytest.mark.spec("PS3.4 Table CC.2.6-1")
@pytest.mark.parametrize(("present", "changes", "status"), SETS)
def test_statuses_of_changes(station: Station, present: str, changes: dict[str, Any], status: int) -> None:
    """By the state of the item and the Transaction UID; a refused change changes nothing."""
    station.bring(present)
    assert station.set(members(**changes)) == status
    _, found = station.get(0x00741204)
    assert found is not None
    assert found.ProcedureStepLabel == ("Another" if status == 0 else "Segment the liver")
    assert station.set(members(**LABEL), NOBODY) == 0xC307


STATES: list[tuple[str, str, str | None, int]] = [
    ("SCHEDULED", "IN PROGRESS", TRANSACTION, 0),
    ("SCHEDULED", "IN PROGRESS", None, 0xC301),
    ("SCHEDULED", "SCHEDULED", TRANSACTION, 0xC303),
    ("SCHEDULED", "COMPLETED", TRANSACTION, 0xC310),
    ("SCHEDULED", "CANCELED", TRANSACTION, 0xC310),
    ("IN PROGRESS", "IN PROGRESS", TRANSACTION, 0xC302),
    ("IN PROGRESS", "COMPLETED", OTHER_CLAIM, 0xC301),
    ("IN PROGRESS", "COMPLETED", TRANSACTION, 0xC304),
    ("IN PROGRESS", "CANCELED", TRANSACTION, 0),
    ("COMPLETED", "COMPLETED", TRANSACTION, 0xB306),
    ("COMPLETED", "IN PROGRESS", TRANSACTION, 0xC300),
    ("COMPLETED", "CANCELED", TRANSACTION, 0xC300),
    ("CANCELED", "COMPLETED", TRANSACTION, 0xC300),
    ("CANCELED", "CANCELED", TRANSACTION, 0xB304),
    ("SCHEDULED", "PAUSED", TRANSACTION, 0x0115),
]


@pytest.mark.spec("PS3.4 Table CC.2.1-2")
@pytest.mark.parametrize(("present", "asked", "transaction_uid", "status"), STATES)
def test_statuses_of_changes_of_state(
    station: Station, present: str, asked: str, transaction_uid: str | None, status: int
) -> None:
    """By the state of the item, the one that is asked for, and the Transaction UID."""
    station.bring(present)
    assert station.act(CHANGE_STATE, state(asked, transaction_uid)) == status
    assert station.act(CHANGE_STATE, state("IN PROGRESS"), NOBODY) == 0xC307


CANCELLATIONS: list[tuple[str, bool, Members | None, int]] = [
    ("SCHEDULED", False, None, 0),
    ("SCHEDULED", False, members(ReasonForCancellation="moved"), 0),
    ("IN PROGRESS", True, None, 0),
    ("IN PROGRESS", False, None, 0xC312),
    ("CANCELED", False, None, 0xB304),
    ("COMPLETED", False, None, 0xC311),
    ("SCHEDULED", False, members(PatientID="mrn-1"), 0x0114),
]


@pytest.mark.spec("PS3.4 Table CC.2.2-2")
@pytest.mark.parametrize("context", [PUSH, WATCH])
@pytest.mark.parametrize(("present", "subscribed", "given", "status"), CANCELLATIONS)
def test_statuses_of_requests_for_cancellation(
    station: Station, context: str, present: str, subscribed: bool, given: Members | None, status: int
) -> None:
    """By the state of the item, and whether its performer can hear of it."""
    station.bring(present)
    if subscribed:
        assert station.subscribe() == 0
    assert station.act(CANCEL, given, context=context) == status
    assert station.act(CANCEL, None, NOBODY, context) == 0xC307


def receiver(aet: str | None = "WATCHER", lock: str | None = "FALSE", **keys: Any) -> Members:
    """Action information of a subscription."""
    return members(ReceivingAE=aet, DeletionLock=lock, **keys)


SUBSCRIPTIONS: list[tuple[int, str, Members, int]] = [
    (SUBSCRIBE, ITEM, receiver(), 0),
    (SUBSCRIBE, ITEM, receiver(lock="TRUE"), 0),
    (SUBSCRIBE, WORKLIST, receiver(lock="TRUE"), 0),
    (SUBSCRIBE, FILTERED, receiver(PatientID="mrn-1"), 0),
    (SUBSCRIBE, FILTERED, receiver(ScheduledStationNameCodeSequence=[code("SEG1")]), 0),
    (SUBSCRIBE, NOBODY, receiver(), 0xC307),
    (SUBSCRIBE, ITEM, receiver("NOBODY"), 0xC308),
    (SUBSCRIBE, ITEM, receiver("FORBIDDEN"), 0xC308),
    (SUBSCRIBE, ITEM, receiver(None), 0x0115),
    (SUBSCRIBE, ITEM, receiver(lock=None), 0x0115),
    (SUBSCRIBE, ITEM, receiver(lock="MAYBE"), 0x0115),
    (SUBSCRIBE, ITEM, receiver(PatientID="mrn-1"), 0x0114),
    (SUBSCRIBE, FILTERED, receiver(), 0x0115),
    (UNSUBSCRIBE, ITEM, receiver(), 0),
    (UNSUBSCRIBE, WORKLIST, receiver(), 0),
    (UNSUBSCRIBE, NOBODY, receiver(), 0xC307),
    (UNSUBSCRIBE, ITEM, receiver("NOBODY"), 0xC308),
    (SUSPEND, WORKLIST, receiver(), 0),
    (SUSPEND, ITEM, receiver(), 0xC314),
    (SUSPEND, WORKLIST, receiver("NOBODY"), 0xC308),
]


@pytest.mark.spec("PS3.4 Table CC.2.3-3")
@pytest.mark.parametrize(("action", "uid", "given", "status"), SUBSCRIPTIONS)
def test_statuses_of_subscriptions(station: Station, action: int, uid: str, given: Members, status: int) -> None:
    """By the instance, the receiving AE and the action information; to leave what one is not in is no failure."""
    assert station.pool is not None
    transaction(station.pool, lambda: peers.add("FORBIDDEN", "127.0.0.1", 1, [Right.WORKLIST]))
    station.create()
    assert station.act(action, given, uid) == status
    subscribed = station.sql("SELECT locked FROM workitem_subscription")
    assert bool(subscribed) is (action == SUBSCRIBE and status == 0)
    if status in (0, 0xC307, 0xC308):
        assert station.act(action, given, uid) == status


@pytest.mark.spec("PS3.4 CC.2.3.1")
def test_a_deletion_lock_keeps_an_item_until_it_is_released(station: Station) -> None:
    """What has ended is removed only when no subscriber locks it; then it is not there for N-GET."""
    assert station.pool is not None
    station.create()
    assert station.subscribe(lock="TRUE") == 0
    assert station.finish() == [0, 0, 0]
    station.sql("UPDATE workitem SET updated = now() - interval '9 days'")
    assert transaction(station.pool, lambda: sweep(1)) == 0
    assert station.act(UNSUBSCRIBE, receiver()) == 0
    assert transaction(station.pool, lambda: sweep(1)) == 0  # the peer has still to be told of its end
    station.sql("UPDATE errand SET ended = now()")
    assert transaction(station.pool, lambda: sweep(1)) == 1
    assert station.get()[0] == 0xC307


@pytest.mark.spec("PS3.4 Table CC.2.7-1")
@pytest.mark.parametrize("context", [PUSH, WATCH, PULL])
@pytest.mark.parametrize(
    ("tags", "status", "keywords"),
    [
        ([0x00741000, 0x00102000], 0, ["MedicalAlerts", "ProcedureStepState"]),
        ([0x00741000, 0x00080060], 1, ["ProcedureStepState"]),
        ([0x00081195], 1, []),
    ],
    ids=["known", "some unknown", "the lock"],
)
def test_statuses_of_retrieval(
    station: Station, context: str, tags: list[int], status: int, keywords: list[str]
) -> None:
    """Attributes of the IOD are there, if empty; of others it is told; the Transaction UID never is."""
    station.bring("IN PROGRESS")
    got, found = station.get(*tags, context=context)
    assert got == status
    assert [element.keyword for element in found or () if element.keyword != "SpecificCharacterSet"] == keywords
    assert station.get(uid=NOBODY, context=context)[0] == 0xC307


@pytest.mark.parametrize(
    ("rights", "accepted"), [({Right.UPS}, True), (set(Right) - {Right.UPS}, False), ({Right.WORKLIST}, False)]
)
def test_who_lacks_the_right_gets_no_context(station: Station, rights: set[Right], accepted: bool) -> None:
    """Of none of the classes; of the Event class nobody does, as this server calls for that."""
    assert station.pool is not None
    transaction(station.pool, lambda: peers.add("CARELESS", "127.0.0.1", 104, rights))
    entity = AE(ae_title="CARELESS")
    for uid in (*CLASSES, EVENT, "1.2.840.10008.1.1"):
        entity.add_requested_context(uid)
    association = entity.associate("127.0.0.1", station.port, ae_title="HEALIX")
    contexts = {context.abstract_syntax for context in association.accepted_contexts}
    if association.is_established:
        association.release()
    assert contexts & {*CLASSES, EVENT} == (set(CLASSES) if accepted else set())


def test_unknown_callers_work_but_are_not_told(pool: Pool, tmp_path: Path) -> None:
    """Where everybody may do everything, a title whose address nobody knows cannot be subscribed."""
    settings = Settings(data_dir=tmp_path, dimse_unknown_callers="all")
    with serving_dimse(settings, pool, LIMITS) as port:
        stranger = Scu(port, "STRANGER")
        assert stranger.create().Status == 0
        assert stranger.subscribe(aet="STRANGER") == 0xC308


WRONG: list[tuple[int, str, Any]] = [
    (0x00404005, "DT", "20261301"),
    (0x00741200, "CS", "high"),
    (0x00741204, "LO", "x" * 65),
    (0x0020000D, "UI", "1.02"),
]


@pytest.mark.spec("PS3.7 C.5.10")
@pytest.mark.parametrize(("tag", "vr", "value"), WRONG)
def test_what_dicom_does_not_allow_is_refused(station: Station, tag: int, vr: str, value: Any) -> None:
    """0106H with the attribute's name, when an item is created and when it is changed."""
    station.create()
    given = Dataset.from_json(workitem())
    wrong = Dataset()
    given[tag] = wrong[tag] = DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
    answer = station.create(given, f"{ITEM}.2")
    assert (answer.Status, wrong[tag].keyword in answer.ErrorComment) == (0x0106, True)
    assert station.set(wrong) == 0x0106


def test_data_sets_are_bounded(station: Station) -> None:
    """What is too large is refused as such, and the association goes on."""
    station.create()
    endless = Dataset()
    endless.add_new(0x00090010, "LO", "TEST")
    endless.add_new(0x00091001, "OB", b"\0" * (5 << 20))
    many = [code(str(number)) for number in range(6000)]
    with station.associated() as association:
        for given, status in (
            (endless, 0x0213),
            (Dataset.from_json(members(ScheduledStationNameCodeSequence=many)), 0x0213),
            (Dataset.from_json(members(**LABEL)), 0),
        ):
            answer, _ = association.send_n_set(given, PUSH, ITEM, meta_uid=PULL)
            assert answer.Status == status


OFFERED: list[tuple[str, str, int]] = [
    ("create", PULL, 0x0211),
    ("create", QUERY, 0x0211),
    ("set", PUSH, 0x0211),
    ("set", WATCH, 0x0211),
    ("get", QUERY, 0x0211),
    ("find", PUSH, 0x0122),
    ("state", PUSH, 0x0123),
    ("state", WATCH, 0x0123),
    ("cancel", PULL, 0x0123),
    ("subscribe", PULL, 0x0123),
    ("subscribe", QUERY, 0x0211),
]


@pytest.mark.spec("PS3.4 Tables CC.2-1 to CC.2-5")
@pytest.mark.parametrize(("asked", "context", "status"), OFFERED)
def test_each_class_has_its_operations(station: Station, asked: str, context: str, status: int) -> None:
    """What belongs to another class is refused in the contexts of this one."""
    station.create()
    answers: dict[str, Callable[[], int]] = {
        "create": lambda: int(station.create(uid=f"{ITEM}.2", context=context).Status),
        "set": lambda: station.set(members(**LABEL), context=context),
        "get": lambda: station.get(context=context)[0],
        "find": lambda: station.find(members(PatientID=None), context)[0][-1],
        "state": lambda: station.act(CHANGE_STATE, state("IN PROGRESS"), context=context),
        "cancel": lambda: station.act(CANCEL, None, context=context),
        "subscribe": lambda: station.act(SUBSCRIBE, receiver(), context=context),
    }
    assert answers[asked]() == status


@pytest.mark.spec("PS3.4 CC.3.1.1")
def test_requests_name_the_push_class(station: Station) -> None:
    """Another one, also that of the context, is no class of a workitem."""
    station.create()
    with station.associated() as association:
        assert association.send_n_get([], PULL, ITEM)[0].Status == 0x0118
