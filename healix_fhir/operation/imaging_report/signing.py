"""Writing a signed version of a report: with its Provenance, the Tasks that it answers and the job that files it, all
in one transaction.

The Tasks of its orders are locked first, so that of two readers who sign at once one finds the case reported.

Spec: FHIR R4, hl7.org/fhir/R4/provenance.html, hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.model.imaging_report import REPORT, UID_PREFIX, UID_SYSTEM, content, instance_of
from healix_fhir.operation.imaging_report.subject import Subject, refused
from healix_fhir.operation.imaging_report.task import TASK, tasks_of
from healix_fhir.store.commit import Member, commit_each
from healix_fhir.store.lifecycle.diagnostic_report import SIGN
from healix_fhir.store.lifecycle.provenance import AUTHENTICATED, COMPLETION
from healix_fhir.store.lifecycle.reading_task import owner_of
from healix_fhir.store.stored import Committed, Method, Stored
from smart_auth.access import AccessContext, internal
from smart_auth.patients import remember

Json = dict[str, Any]
FILE = "reports.file"
"""The job that files a signed report: as PDF, and in its study."""
LONGEST = 500_000
"""Characters of all sections and addenda: some hundred pages, which take seconds to set."""
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Signature(msgspec.Struct, frozen=True):
    """Who signs what by which operation, and why. `resource` is the report as it is to be, without issued and UID."""

    subject: Subject
    resource: Json
    practitioner: str
    operation: str
    reason: str = ""


async def sign(interactions: Interactions, access: AccessContext, signature: Signature) -> Stored:
    """Write the signed version. Raises Conflict where another reader has the case or has reported it,
    PreconditionFailed when the report has changed meanwhile, and Unprocessable for one that is longer than `LONGEST`.
    """
    said = content(signature.resource)
    if sum(map(len, (*said.sections.values(), *(one.text for one in said.addenda)))) > LONGEST:
        raise refused("contained", f"a report has {LONGEST} characters at most")
    done = await interactions.writing.reviewed(
        access,
        lambda review: atransaction(
            interactions.pool, lambda: _commit(access, signature, interactions.bases, review), aside=True
        ),
    )
    remember({patient: key for one in done for patient, key in one.patients})
    assert done[0].stored is not None
    return done[0].stored


def _commit(
    access: AccessContext, signature: Signature, bases: tuple[str, ...], review: Review
) -> Work[list[Committed]]:
    subject, moment = signature.subject, clock.now()
    id_ = str(subject.resource["id"])
    tasks = yield from tasks_of(subject.orders)
    if signature.operation == SIGN:
        _require_free(tasks, f"Practitioner/{signature.practitioner}", f"{REPORT}/{id_}")
    uid = f"2.25.{uuid.uuid4().int}"
    before = instance_of(subject.resource) if signature.operation != SIGN else None
    made = change(Method.PUT, _signed(signature, uid, moment), REPORT, id_, bases, subject.version)
    server = internal(access.origin)
    trail = _provenance(signature, f"{REPORT}/{id_}", moment)
    members: list[Member] = [
        (access, review(msgspec.structs.replace(made, operation=signature.operation))),
        (server, change(Method.POST, trail, "Provenance", logical_id(), bases)),
        *(
            (server, change(Method.PUT, _completed(one, signature, id_, moment), TASK, str(one["id"]), bases))
            for one in tasks
            if one.get("status") != "completed"
        ),
    ]
    done = []
    for outcome in (yield from commit_each(members)):
        if isinstance(outcome, HealixError):
            raise outcome
        done.append(outcome)
    assert done[0].stored is not None
    job = {"report": id_, "version": done[0].stored.version, "before": before}
    yield enqueue(FILE, job, lock=f"{FILE} {id_}")
    what = f"${signature.operation}"
    yield record([AuditRow(access.origin, "E", what, patient=subject.patient, entity=f"{REPORT}/{id_}")])
    return done


def _require_free(tasks: Sequence[Json], own: str, report: str) -> None:
    for task in tasks:
        if task.get("status") == "completed":
            named = [one.get("valueReference", {}).get("reference") for one in task.get("output", ())]
            if report not in named:
                raise HealixError(Category.CONFLICT, "the order has been reported already")
        elif owner_of(task) not in (None, own):
            raise HealixError(Category.CONFLICT, "another reader has this case")


def _signed(signature: Signature, uid: str, moment: datetime) -> Json:
    """The version with who signed it and when, and the UID under which it is filed. What a draft came with is signed
    with it; what a signed version was filed as, and came with, is that of the earlier version.
    """
    who = {"reference": f"Practitioner/{signature.practitioner}"}
    resource = signature.resource
    others = [one for one in resource.get("identifier", ()) if one.get("system") != UID_SYSTEM]
    readers = [one for one in resource.get("resultsInterpreter", ()) if one.get("reference") != who["reference"]]
    old = ("meta",) if signature.operation == SIGN else ("meta", "presentedForm")
    kept = {name: one for name, one in resource.items() if name not in old}
    return (
        kept
        | labelled(resource)
        | {
            "identifier": [*others, {"system": UID_SYSTEM, "value": f"{UID_PREFIX}{uid}"}],
            "issued": instant(moment),
            "resultsInterpreter": [*readers, who],
        }
    )


def _completed(task: Json, signature: Signature, report: str, moment: datetime) -> Json:
    kept = {name: one for name, one in task.items() if name != "meta"}
    return (
        kept
        | labelled(task)
        | {
            "status": "completed",
            "owner": {"reference": f"Practitioner/{signature.practitioner}"},
            "lastModified": instant(moment),
            "output": [{"type": {"text": "Imaging report"}, "valueReference": {"reference": f"{REPORT}/{report}"}}],
        }
    )


def labelled(resource: Json) -> Json:
    """What of `meta` a further version keeps: above all the labels, which would show it if they went away."""
    meta = {name: one for name, one in resource.get("meta", {}).items() if name in ("profile", "security", "tag")}
    return {"meta": meta} if meta else {}


def _provenance(signature: Signature, report: str, moment: datetime) -> Json:
    """Who signed which version of what. It names the Patient, in whose compartment it is by that alone.

    Spec: FHIR R4, hl7.org/fhir/R4/provenance.html#search, patient: where the activity involved patient data
    """
    subject = signature.subject
    made: Json = {
        "resourceType": "Provenance",
        "target": [
            {"reference": f"{report}/_history/{subject.version + 1}"},
            {"reference": f"Patient/{subject.patient}"},
        ],
        "recorded": instant(moment),
        "activity": {"coding": [{"system": COMPLETION, "code": AUTHENTICATED, "display": "legally authenticated"}]},
        "agent": [
            {
                "type": {"coding": [{"system": PARTICIPANT, "code": "author"}]},
                "who": {"reference": f"Practitioner/{signature.practitioner}"},
            }
        ],
        "entity": [{"role": "revision", "what": {"reference": f"{report}/_history/{subject.version}"}}],
    }
    return made | ({"reason": [{"text": signature.reason}]} if signature.reason else {})
