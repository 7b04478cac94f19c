"""N-CREATE: a modality has begun to perform a procedure step.

In the same transaction the scheduled steps are shown as begun; the FHIR side follows from the outbox.

Spec: PS3.4 F.7.2.1 (2024d)
"""

from __future__ import annotations

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.events import step_performed
from dicomweb.procedure.content import text
from dicomweb.procedure.performed.requirements import State, created
from dicomweb.procedure.performed.rows import TYPE, audited, reason
from dicomweb.procedure.performed.scheduled import MOST_ITEMS, Candidate, find, meant, settle
from dicomweb.procedure.performed.status import Failure, RefusedError
from dicomweb.uid import is_uid
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import publish
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PATIENT_ID, ISSUER = "00100020", "00100021"

_WRITE = """
WITH allowed AS MATERIALIZED (
       SELECT p.pat FROM (SELECT %s::bigint AS pat) p WHERE {allowed}),
     made AS (
       INSERT INTO performed_step (uid, pat, patient_id, issuer, state, reason, aet, study_uids, steps, dataset)
       SELECT %s, a.pat, %s, %s, %s, %s, %s, %s::text[], %s::bigint[], %s FROM allowed a
       ON CONFLICT (uid) DO NOTHING RETURNING pk)
SELECT EXISTS (SELECT FROM allowed), EXISTS (SELECT FROM made),
       (SELECT k.id FROM patient_key k JOIN allowed a ON a.pat = k.pat)"""


def create(access: AccessContext, uid: str, given: DataSet) -> Work[None]:
    """Make a step in progress. Raises RefusedError, Forbidden."""
    access.require(TYPE, Permission.CREATE)
    if not is_uid(uid):
        raise RefusedError(Failure.INVALID_ATTRIBUTE_VALUE, "the SOP Instance UID is not a valid UID")
    dataset = created(given)
    asked = meant(dataset)
    if len(asked) > MOST_ITEMS:
        raise RefusedError(Failure.INVALID_ATTRIBUTE_VALUE, f"a step may perform at most {MOST_ITEMS} scheduled ones")
    if not all(is_uid(item.study_uid) for item in asked):
        raise RefusedError(Failure.INVALID_ATTRIBUTE_VALUE, "a StudyInstanceUID is not a valid UID")
    patient_id, issuer = text(dataset, PATIENT_ID), text(dataset, ISSUER)
    scheduled = yield from find(asked, patient_id)
    condition = access.compartments(TYPE, Permission.CREATE, "p.pat")
    rows = yield Statement(
        _WRITE.format(allowed=condition.sql),
        (
            _owner(scheduled, patient_id, issuer), *condition.params, uid, patient_id, issuer,
            State.IN_PROGRESS.value, reason(dataset), access.origin.client,
            sorted({item.study_uid for item in asked}), [one.pk for one in scheduled], msgspec.json.encode(dataset),
        ),
    )  # fmt: skip
    allowed, done, patient = rows[0]
    if not allowed:
        raise RefusedError(Failure.NOT_AUTHORIZED, "a step may not be created for this patient")
    if not done:
        raise RefusedError(Failure.DUPLICATE_INSTANCE, "a performed procedure step with this UID exists already")
    yield from settle([one.pk for one in scheduled])
    yield audited(access, "C", "performed-step-create", uid, patient)
    yield publish(step_performed([uid]))


def _owner(scheduled: list[Candidate], patient_id: str, issuer: str) -> int | None:
    """The patient of the scheduled steps, where they are of one whose PatientID the performed step has, by no other
    issuer; modalities often leave that out.

    Else it is found by PatientID (healix_fhir/imaging/performing).
    """
    owners = {
        one.pat for one in scheduled if one.patient_id == patient_id and (not issuer or one.issuer in ("", issuer))
    }
    return owners.pop() if len(owners) == 1 else None
