"""$sign: a practitioner makes a draft of an order active, and answers for every warning.

`POST [base]/MedicationRequest/[id]/$sign` looks at the order anew. As long as a warning, or something that could not be
looked at, has no answer it is refused with all of them (422). Each answer is kept as a DetectedIssue with its reason,
and the signature as a Provenance, in the transaction that makes the order active; what a patient has asked for and the
order is based on is completed with it. A job then prints and keeps the order (care/prescriptions/filing.py).

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest.html, detectedissue.html; CDS Hooks 2.0 order-sign
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.patch import patched
from healix_fhir.interaction.review import Review
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, Issue, invalid
from healix_fhir.kernel.ids import logical_id
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.model.json import decode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.prescription.check import ORDER_SIGN, look_at
from healix_fhir.operation.prescription.finding import Finding
from healix_fhir.operation.prescription.kept import FILE
from healix_fhir.operation.prescription.order import REQUEST, Draft, draft_of, require_prescriber
from healix_fhir.operation.prescription.recording import ACTIONS, Answer, Signature, issue, provenance
from healix_fhir.store.commit import Member, commit_each
from healix_fhir.store.lifecycle.medication_request import SIGN as SIGNING
from healix_fhir.store.stored import Change, Committed, Method, Stored
from smart_auth.access import AccessContext, internal
from smart_auth.patients import remember

Json = dict[str, Any]
LONGEST = 1000
SIGN = own(
    "sign",
    "Makes a draft of an order active, in the name of the practitioner who calls.",
    Parameter(
        "answer",
        "in",
        0,
        MANY,
        "Why a warning does not keep the order from being signed",
        part=(
            into("finding", "string", "The key of the finding, as of $check-order", least=1),
            into("reason", "string", f"In words, up to {LONGEST} characters", least=1),
            into("action", "code", "What was done about it, of v3-ActCode (ActDetectedIssueManagementCode)"),
        ),
    ),
    out("return", REQUEST, "The order, active"),
    levels=("instance",),
    resource=(REQUEST,),
)


async def sign_operation(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The signed order."""
    answers = {
        str(part.one("finding")): _answer(str(part.one("reason")), part.text("action") or "")
        for part in invocation.given.parts("answer")
    }
    return (await sign(interactions, access, str(invocation.id), answers)).body


def _answer(reason: str, action: str) -> Answer:
    said = " ".join(reason.split())
    if not 0 < len(said) <= LONGEST:
        raise invalid(f"a reason has 1 to {LONGEST} characters", code="value", expression=("answer.reason",))
    if action and action not in ACTIONS:
        raise invalid(f"action is one of {', '.join(ACTIONS)}", code="value", expression=("answer.action",))
    return Answer(said, action)


async def sign(interactions: Interactions, access: AccessContext, id_: str, answers: Mapping[str, Answer]) -> Stored:
    """Sign a draft. Raises Forbidden, NotFound, Unprocessable with every finding that has no answer, and
    PreconditionFailed when the draft has changed meanwhile.
    """
    practitioner = f"Practitioner/{require_prescriber(access, '$sign')}"
    draft = await draft_of(interactions, access, id_)
    _check_requester(draft.resource, practitioner)
    findings = await look_at(interactions, access, draft.resource, draft.patient, ORDER_SIGN)
    warnings = [one for one in findings if one.needs_answer]
    open_ = [one for one in warnings if one.key not in answers]
    if open_:
        raise HealixError(Category.UNPROCESSABLE, "there are warnings without an answer", issues=_issues(open_))
    asked = await _asked_for(interactions, access, draft)
    signature = Signature(f"{REQUEST}/{id_}", f"Patient/{draft.patient}", practitioner, clock.now())
    answered = [(one, answers[one.key]) for one in warnings]
    done = await interactions.writing.reviewed(
        access,
        lambda review: atransaction(
            interactions.pool,
            lambda: _commit(access, draft, signature, answered, asked, interactions.bases, review),
            aside=True,
        ),
    )
    remember({patient: key for one in done for patient, key in one.patients})
    assert done[0].stored is not None
    return done[0].stored


def _check_requester(order: Json, practitioner: str) -> None:
    """An order is signed by who orders."""
    named = order.get("requester", {}).get("reference", practitioner)
    if named != practitioner:
        raise HealixError(
            Category.UNPROCESSABLE,
            "the order names another requester, whose it is to sign it",
            expression=(f"{REQUEST}.requester",),
        )


def _issues(findings: Sequence[Finding]) -> tuple[Issue, ...]:
    return tuple(
        Issue("business-rule", f"{one.summary} (finding {one.key}, {one.indicator}, from {one.source})")
        for one in findings
    )


async def _asked_for(interactions: Interactions, access: AccessContext, draft: Draft) -> list[str]:
    """The ids of proposals for the same patient that the order answers, and that wait for one."""
    found = []
    named = (str(based.get("reference", "")) for based in draft.resource.get("basedOn", ()))
    for reference in dict.fromkeys(named):
        type_name, _, id_ = reference.partition("/")
        if type_name != REQUEST:
            continue
        try:
            proposal = decode((await interactions.read(access, REQUEST, id_)).body)
        except HealixError:
            continue  # what the caller does not see is not theirs to complete
        same = proposal.get("subject", {}).get("reference") == draft.resource["subject"]["reference"]
        if same and _waits(proposal):
            found.append(id_)
    return found


def _waits(resource: Json) -> bool:
    return resource.get("intent") == "proposal" and resource.get("status") == "active"


def _complete(resource: Json) -> Json:
    return resource | {"status": "completed"} if _waits(resource) else resource


def _commit(
    access: AccessContext,
    draft: Draft,
    signature: Signature,
    answered: Sequence[tuple[Finding, Answer]],
    asked: Sequence[str],
    bases: tuple[str, ...],
    review: Review,
) -> Work[list[Committed]]:
    """Write order, issues, Provenance and proposals at once; raises the first refusal."""
    server = internal(access.origin)
    issues = {logical_id(): issue(signature, finding, answer) for finding, answer in answered}
    named = [f"DetectedIssue/{id_}" for id_ in issues]
    trail = logical_id()
    signed = draft.resource | {
        "status": "active",
        "requester": {"reference": signature.practitioner},
        "authoredOn": instant(signature.moment),
        "eventHistory": [*draft.resource.get("eventHistory", ()), {"reference": f"Provenance/{trail}"}],
    }
    if named:
        signed["detectedIssue"] = [*draft.resource.get("detectedIssue", ()), *({"reference": one} for one in named)]
    made = change(Method.PUT, signed, REQUEST, str(draft.resource["id"]), bases, draft.version)
    told = provenance(signature, named, [answer for _, answer in answered])
    members: list[Member] = [
        (access, review(msgspec.structs.replace(made, operation=SIGNING))),
        *((server, change(Method.POST, one, "DetectedIssue", id_, bases)) for id_, one in issues.items()),
        (server, change(Method.POST, told, "Provenance", trail, bases)),
        *((access, Change(Method.PATCH, REQUEST, id_, patch=patched(REQUEST, id_, _complete, bases))) for id_ in asked),
    ]
    outcomes = yield from commit_each(members)
    done = []
    for outcome in outcomes:
        if isinstance(outcome, HealixError):
            raise outcome
        done.append(outcome)
    yield record([AuditRow(access.origin, "E", "$sign", patient=draft.patient, entity=signature.order)])
    if (stored := done[0].stored) is not None:
        kept = {"order": stored.id, "version": stored.version}
        yield enqueue(FILE, kept, lock=f"prescription {stored.id}", request=access.origin.request)
    return done
