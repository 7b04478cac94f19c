"""$merge: two Patients are one. What refers to the source refers to the target from then on, in one transaction.

R4 has no such operation; this is R5's, without its Task: the answer comes when it is done.

Spec: FHIR R5, hl7.org/fhir/R5/patient-operation-merge.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.model.json import decode, encode
from healix_fhir.model.operation_definition import MANY
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.merging.devices import carried
from healix_fhir.operation.merging.moving import MOST, moved
from healix_fhir.operation.merging.records import PATIENT, Json, alone, held, joined, named, permit, replaced, stated
from healix_fhir.store import merges
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

WHO = (
    into("source-patient", "Reference", "The Patient that is merged, and stays as replaced"),
    into("source-patient-identifier", "Identifier", "Identifiers that only that Patient has", most=MANY),
    into("target-patient", "Reference", "The Patient that it is merged into"),
    into("target-patient-identifier", "Identifier", "Identifiers that only that Patient has", most=MANY),
)
TOLD = (
    out("input", "Parameters", "What was asked for", least=0),
    out("outcome", "OperationOutcome", "What was done"),
    out("result", "Patient", "The Patient that stays", least=0),
)
MERGE = own(
    "merge",
    "Merge a Patient into another, as R5's Patient/$merge does. What refers to the source is made to refer to the"
    " target; the source becomes inactive, with a link replaced-by; the target gets its identifiers, as old ones, and a"
    f" link replaces. Images follow. At most {MOST} resources, in one transaction; $undo-merge undoes it.",
    *WHO,
    into("result-patient", "Patient", "The target as it is to be afterwards, with the link to the source"),
    into("preview", "boolean", "Whether only to tell what would be done"),
    *TOLD,
    levels=("type",),
    resource=(PATIENT,),
    url="http://hl7.org/fhir/OperationDefinition/Patient-merge",
)


class Done(msgspec.Struct, frozen=True):
    """What a merge did: the Patient that stays, how many resources were moved, and how many devices go on for it."""

    result: Json
    moved: int
    devices: int


class Seen(Exception):  # noqa: N818 - it ends a preview, and is no error
    """What a merge would do: raised to undo it."""

    def __init__(self, done: Done) -> None:
        super().__init__()
        self.done = done


async def merge(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the outcome. Raises Forbidden, Invalid, NotFound, Unprocessable, TooLarge, Busy."""
    permit(access, "merge")
    given, bases = invocation.given, interactions.bases
    preview = given.flag("preview")

    def work(review: Review) -> Work[Done]:
        done = yield from _merged(access, given, bases, review)
        if preview:
            raise Seen(done)
        return done

    try:
        done = await interactions.writing.reviewed(
            access, lambda review: atransaction(interactions.pool, lambda: work(review), aside=True)
        )
    except Seen as seen:
        done = seen.done
    said = "would be moved" if preview else "moved"
    stays = f"{PATIENT}/{done.result['id']}"
    told = [f"{done.moved} resources {said} to {stays}", *with_devices(done.devices, f"for {stays}")]
    return answer(invocation, "; ".join(told), done.result)


def _merged(access: AccessContext, given: Given, bases: tuple[str, ...], review: Review) -> Work[Done]:
    yield from alone()
    source_id = yield from named(given, "source", bases)
    into_id = yield from named(given, "target", bases)
    source, target = yield from held(source_id, into_id)
    wanted = given.json("result-patient")
    if wanted is None:
        result = _put(joined(source, target), bases)
    else:
        result = review(_put(stated(wanted, source_id, into_id), bases))
    number = yield from merges.begin(source_id, into_id)
    both = [_put(replaced(source, into_id), bases), result]
    done = yield from commit(access, both)
    yield merges.note(number, done)
    stays = done[1].stored
    assert stays is not None
    count = devices = 0
    for group in moved(source_id, into_id, stays.version, bases):
        changes = yield from group
        if changes:
            made = yield from commit(access, changes)
            yield merges.note(number, made)
            count += len(made)
            devices += yield from carried(made, bases, access.origin)
    rows = [AuditRow(access.origin, "E", "$merge", patient=one, entity=f"{PATIENT}/{into_id}",
                     query=f"{PATIENT}/{source_id}") for one in (source_id, into_id)]  # fmt: skip
    yield record(rows)
    return Done(decode(stays.body), count, devices)


def with_devices(count: int, whom: str) -> list[str]:
    """What is said of devices whose access goes on."""
    return [f"the access of {count} paired device{'' if count == 1 else 's'} goes on {whom}"] if count else []


def _put(patient: Json, bases: tuple[str, ...]) -> Change:
    return change(Method.PUT, patient, PATIENT, patient["id"], bases)


def answer(invocation: Invocation, told: str, result: Json | None, *warnings: str) -> bytes:
    """The Parameters of what was done."""
    issues = [{"severity": "information", "code": "informational", "diagnostics": told}]
    issues += [{"severity": "warning", "code": "conflict", "diagnostics": one} for one in warnings]
    parts: list[dict[str, Any]] = []
    if invocation.body.strip():
        parts.append({"name": "input", "resource": decode(invocation.body)})
    parts.append({"name": "outcome", "resource": {"resourceType": "OperationOutcome", "issue": issues}})
    if result is not None:
        parts.append({"name": "result", "resource": result})
    return encode({"resourceType": "Parameters", "parameter": parts})
