"""Performed steps as rows: found and locked for a change, and written."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import items, text
from dicomweb.procedure.performed.attributes import DISCONTINUATION
from dicomweb.procedure.performed.requirements import State
from dicomweb.procedure.performed.status import Failure, RefusedError
from dicomweb.uid import is_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TYPE = "Procedure"
"""The FHIR type whose scopes open performed steps: each becomes one."""


@dataclass(frozen=True, slots=True)
class Step:
    """A performed step that the caller may see. `patient` is the logical id of its patient, where that is known."""

    pk: int
    uid: str
    aet: str | None
    steps: tuple[int, ...]
    dataset: DataSet
    patient: str | None


def find(access: AccessContext, permission: Permission, uid: str, *, lock: bool = False) -> Work[Step]:
    """The performed step `uid`; one statement. Raises RefusedError also for what is hidden."""
    access.require(TYPE, permission)
    condition = access.compartments(TYPE, permission, "p.pat")
    rows = []
    if is_uid(uid):
        rows = yield Statement(
            "SELECT p.pk, p.uid, p.aet, p.steps, p.dataset, k.id FROM performed_step p"
            f" LEFT JOIN patient_key k ON k.pat = p.pat WHERE p.uid = %s AND {condition.sql}"
            f"{' FOR NO KEY UPDATE OF p' if lock else ''}",
            (uid, *condition.params),
        )
    if not rows:
        raise RefusedError(Failure.NO_SUCH_INSTANCE, "there is no such performed procedure step")
    pk, uid, aet, steps, dataset, patient = rows[0]
    return Step(pk, uid, aet, tuple(steps), msgspec.json.decode(dataset), patient)


def write(pk: int, dataset: DataSet, state: State) -> Statement:
    """Give a locked step new content."""
    return Statement(
        "UPDATE performed_step SET state = %s, reason = %s, dataset = %s, updated = now() WHERE pk = %s",
        (state.value, reason(dataset), msgspec.json.encode(dataset), pk),
    )


def reason(dataset: DataSet) -> str | None:
    """The code of why a step was discontinued; None where none is given."""
    return next((code for item in items(dataset, DISCONTINUATION) if (code := text(item, "00080100"))), None)


def audited(access: AccessContext, action: str, word: str, uid: str, patient: str | None) -> Statement:
    """The audit row of what was done with a step."""
    return record([AuditRow(access.origin, action, word, patient=patient, entity=uid)])
