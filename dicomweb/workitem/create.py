"""Create Workitem: the one service behind UPS-RS and N-CREATE.

Spec: PS3.18 11.4, PS3.4 CC.2.5 (2024d)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.uid import check_uid
from dicomweb.workitem.announce import JOINING
from dicomweb.workitem.content import text
from dicomweb.workitem.marks import marks
from dicomweb.workitem.requirements import created
from dicomweb.workitem.rows import KEYS, Workitem, audited, found_by, is_open, key_params, reached, scheduled, stamped
from dicomweb.workitem.states import State
from dicomweb.workitem.status import Failure, RefusedError, Success
from dicomweb.workitem.subscribe import told_of_creation
from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PatientFinder: TypeAlias = Callable[[str, str], Work[str | None]]
"""Finds the logical id of the patient whom PatientID and issuer mean; the bridge to FHIR hands it in."""

SOP_INSTANCE, AFFECTED = "00080018", "00001000"
PATIENT_ID, ISSUER = "00100020", "00100021"


@dataclass(frozen=True, slots=True)
class Created:
    """A new workitem; `status` tells whether its content was changed."""

    uid: str
    status: Success


def create(access: AccessContext, uid: str | None, given: DataSet, find_patient: PatientFinder) -> Work[Created]:
    """Put an item on the worklist under `uid`, else under the UID that it names, else under one that the server makes.

    Raises Forbidden when the caller may not create it for its patient, RefusedError when the UID is taken.
    """
    condition = reached(access, Permission.CREATE)
    uid = _uid(uid, given)
    dataset, modified = created(uid, given)
    dataset = stamped(dataset, State.SCHEDULED)
    yield Statement("SELECT pg_advisory_xact_lock_shared(%s)", (JOINING,))
    patient_id, issuer = text(dataset, PATIENT_ID), text(dataset, ISSUER)
    patient = (yield from find_patient(patient_id, issuer)) if patient_id else None
    found = found_by(dataset)
    rows = yield Statement(
        _WRITE.format(allowed=condition.sql, keys=KEYS),
        (
            patient, *condition.params, uid, patient_id, issuer, scheduled(dataset), msgspec.json.encode(dataset),
            arrays.int8(marks(found)), *key_params(found),
        ),
    )  # fmt: skip
    allowed, pk = rows[0]
    if not allowed:
        raise forbidden("the token does not allow to create a workitem for this patient")
    if pk is None:
        raise RefusedError(Failure.DUPLICATE, "a workitem with this UID exists already")
    if not (yield from is_open(access, Permission.CREATE, pk)):
        raise forbidden("the token does not allow to create such a workitem")
    item = Workitem(pk, uid, State.SCHEDULED, None, dataset, patient)
    yield audited(access, "C", "workitem-create", item)
    yield from told_of_creation(item)
    return Created(uid, Success.CREATED_WITH_MODIFICATIONS if modified else Success.DONE)


_WRITE = f"""
WITH allowed AS MATERIALIZED (
       SELECT w.pat FROM (SELECT (SELECT pat FROM patient_key WHERE id = %s) AS pat) w WHERE {{allowed}}),
     made AS (
       INSERT INTO workitem (pat, uid, patient_id, issuer, state, scheduled, dataset, marks)
       SELECT a.pat, %s, %s, %s, '{State.SCHEDULED}', %s, %s, %s::bigint[] FROM allowed a
       ON CONFLICT (uid) DO NOTHING RETURNING pk),
     found AS (
       INSERT INTO workitem_key (workitem, path, item, value)
       SELECT m.pk, x.path, x.item::int[], x.value FROM made m, {{keys}})
SELECT EXISTS (SELECT FROM allowed), (SELECT pk FROM made)"""


def _uid(uid: str | None, given: DataSet) -> str:
    """The UID of a new item, by the address or the data set, which must agree. Raises Invalid."""
    named = {found for tag in (SOP_INSTANCE, AFFECTED) if (found := text(given, tag))} | ({uid} if uid else set())
    if len(named) > 1:
        raise invalid("the data set names another workitem than the address", code="value")
    return check_uid(named.pop(), "the workitem's UID") if named else f"2.25.{uuid.uuid4().int}"
