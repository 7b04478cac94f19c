"""Workitems over DIMSE under a narrower access than peers have: what is hidden answers as what is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom import dcmwrite
from pydicom.dataset import Dataset

from dicomweb.dimse.admission import Caller
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.identifier import parse, text
from dicomweb.dimse.workitem import WorkitemService
from dicomweb.dimse.workitem_find import workitem_query_service
from dicomweb.workitem.create import create
from healix_fhir.imaging.workitems import find_patient
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Row, transaction
from smart_auth.access import AccessContext
from tests.support.dimse import EXPLICIT
from tests.support.exchange import Heard, accepted, answered
from tests.support.study import SYSTEM, caller
from tests.support.ups import CANCEL, CHANGE_STATE, PULL, PUSH, SUBSCRIBE, UNSUBSCRIBE, WATCH, WORKLIST, sql
from tests.support.workitems import Members, members, state, workitem

Pool = ConnectionPool[Connection[Row]]
ROOT = "1.2.826.0.1.3680043.10.1714.96"
MINE, HIDDEN, ABSENT = (f"{ROOT}.{number}" for number in (1, 2, 3))
OWN, OTHER = 11, 22
PATIENT = caller("patient/Task.cruds", pat=OWN)
RECEIVER = members(ReceivingAE="APP", DeletionLock="FALSE")


def encoded(given: Members) -> bytes:
    """A data set in explicit VR little endian."""
    buffer = BytesIO()
    dcmwrite(buffer, Dataset.from_json(given), implicit_vr=False, little_endian=True, enforce_file_format=False)
    return buffer.getvalue()


@pytest.fixture
def worklist(pool: Pool) -> Pool:
    """An item of the caller's patient and one of another."""
    for uid in (MINE, HIDDEN):
        transaction(pool, partial(create, SYSTEM, uid, workitem(), find_patient))
    sql(pool, "INSERT INTO patient_key (pat, id) OVERRIDING SYSTEM VALUE VALUES (%s, 'p'), (%s, 'q')", OWN, OTHER)
    sql(pool, "UPDATE workitem SET pat = CASE uid WHEN %s THEN %s::bigint ELSE %s::bigint END", MINE, OWN, OTHER)
    sql(pool, "INSERT INTO workitem_subscriber (aet) VALUES ('APP')")
    return pool


def asked(
    pool: Pool,
    access: AccessContext,
    field: CommandField,
    uid: str,
    context: str,
    given: Members | None,
    action: int = 0,
) -> Heard:
    """What a caller with this access is answered."""
    trail: Callable[[AuditRow], Any] = list[AuditRow]().append
    service = WorkitemService(Caller("APP", frozenset(), access), pool, find_patient, trail)
    named = field is not CommandField.N_CREATE_RQ
    command: dict[int, int | str] = {
        Element.CommandField: field,
        Element.RequestedSOPClassUID if named else Element.AffectedSOPClassUID: PUSH,
        Element.RequestedSOPInstanceUID if named else Element.AffectedSOPInstanceUID: uid,
        Element.ActionTypeID: action,
    }
    return answered(service, command, accepted(context), None if given is None else encoded(given))


REQUESTS: dict[str, tuple[CommandField, str, Members | None, int]] = {
    "retrieve": (CommandField.N_GET_RQ, PULL, None, 0),
    "change": (CommandField.N_SET_RQ, PULL, members(ProcedureStepLabel="x"), 0),
    "claim": (CommandField.N_ACTION_RQ, PULL, state("IN PROGRESS"), CHANGE_STATE),
    "cancel": (CommandField.N_ACTION_RQ, WATCH, None, CANCEL),
    "subscribe": (CommandField.N_ACTION_RQ, WATCH, RECEIVER, SUBSCRIBE),
    "unsubscribe": (CommandField.N_ACTION_RQ, WATCH, RECEIVER, UNSUBSCRIBE),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_hidden_answers_as_what_is_not_there(worklist: Pool, name: str) -> None:
    """C307H for both, and nothing is changed; one's own item is there."""
    field, context, given, action = REQUESTS[name]
    before = sql(worklist, "SELECT state, dataset FROM workitem WHERE uid = %s", HIDDEN)
    hidden, absent = (asked(worklist, PATIENT, field, uid, context, given, action).answers for uid in (HIDDEN, ABSENT))
    assert hidden == absent == [(0xC307, None)]
    assert sql(worklist, "SELECT state, dataset FROM workitem WHERE uid = %s", HIDDEN) == before
    assert sql(worklist, "SELECT FROM workitem_subscription") == []
    if name not in ("subscribe", "unsubscribe"):  # of another's title
        assert asked(worklist, PATIENT, field, MINE, context, given, action).statuses == [0]


@pytest.mark.parametrize("name", REQUESTS)
def test_scopes_open_each_operation(worklist: Pool, name: str) -> None:
    """0124H for who may do something else only."""
    field, context, given, action = REQUESTS[name]
    letter = "u" if name in ("retrieve", "subscribe", "unsubscribe") else "r"
    assert asked(worklist, caller(f"system/Task.{letter}"), field, MINE, context, given, action).statuses == [0x0124]


def test_only_own_items_are_found_and_subscribed(worklist: Pool) -> None:
    """A search shows the caller's own items, and a global subscription is to them alone."""
    caller_ = Caller("APP", frozenset(), PATIENT)
    service = workitem_query_service(caller_, lambda make: transaction(worklist, make), 10, lambda _: None)
    command: Command = {Element.CommandField: CommandField.C_FIND_RQ, Element.AffectedSOPClassUID: PULL}
    for keys, found in (({"ProcedureStepState": None}, [MINE]), ({"SOPInstanceUID": HIDDEN}, [])):
        heard = answered(service, command, accepted(PULL), encoded(members(**keys)))
        uids = [text(parse(one, EXPLICIT).members[0x00080018]) for _, one in heard.answers if one is not None]
        assert (uids, heard.statuses[-1]) == (found, 0)
    sql(worklist, "DELETE FROM workitem_subscriber")
    sql(worklist, "INSERT INTO workitem_subscriber (aet, client, account) VALUES ('APP', NULL, NULL)")
    asked(worklist, PATIENT, CommandField.N_ACTION_RQ, WORKLIST, WATCH, RECEIVER, SUBSCRIBE)
    subscribed = sql(worklist, "SELECT w.uid FROM workitem_subscription s JOIN workitem w ON w.pk = s.workitem")
    assert subscribed == [(MINE,)]


def test_nobody_creates_for_another_patient(worklist: Pool) -> None:
    """0124H, and there is no such item."""
    answer = asked(worklist, PATIENT, CommandField.N_CREATE_RQ, ABSENT, PUSH, workitem())
    assert answer.statuses == [0x0124]
    assert sql(worklist, "SELECT FROM workitem WHERE uid = %s", ABSENT) == []
