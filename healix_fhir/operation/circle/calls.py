"""$invite and $accept on CareTeam: a patient and a clinician agree that the one cares for the other.

`POST [base]/CareTeam/$invite` by a patient's app offers the patient's record, by a clinician's it offers care; to the
account `to`, which finds it on its page, or to who has the `code` of the answer. `POST [base]/CareTeam/$accept` with
that, by the other side, makes the CareTeam.
It ends like any other: by its period and status. R4 has no such operations.

Spec: FHIR R4, hl7.org/fhir/R4/careteam.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import ids
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.model.json import encode
from healix_fhir.operation.circle.joining import CARE_TEAM, accept, may_offer
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext
from smart_auth.account.care_invitation import LIFE, invite
from smart_auth.scope import Permission

_PATIENT = into("patient", "string", "A patient's app: whose record, as an id or Patient/id; the token's without")
INVITE = own(
    "invite",
    "Invites a clinician to a patient's record, or a patient to a clinician's care.",
    _PATIENT,
    into("to", "string", "The user name of whom the invitation is for; nothing is told of whether there is one"),
    out("code", "string", "What opens the invitation, once, where it is for no one account", least=0),
    out("seconds", "integer", "How long it is good"),
    levels=("type",),
    resource=(CARE_TEAM,),
)
ACCEPT = own(
    "accept",
    "Accepts an invitation by its code.",
    _PATIENT,
    into("code", "string", "The code that was given", least=1),
    out("return", "Reference", "The CareTeam by which the record is open"),
    levels=("type",),
    resource=(CARE_TEAM,),
)


async def invite_to_care(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the code. Raises Forbidden, Invalid without a patient, or Conflict."""
    username, patient = _person(access), _patient(access, invocation)
    to = invocation.given.text("to") or ""

    def made() -> Work[str | None]:
        if access.practitioner is not None:
            return (yield from invite(access.origin, username, practitioner=access.practitioner, invited=to))
        if not (yield from may_offer(access, patient)):
            raise forbidden("the token does not allow to offer that record")
        return (yield from invite(access.origin, username, patient=patient, invited=to))

    code = await atransaction(interactions.pool, made)
    parts = [{"name": "code", "valueString": code}] if code is not None else []
    return encode({"resourceType": "Parameters", "parameter": [*parts, {"name": "seconds", "valueInteger": LIFE}]})


async def accept_care(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """The Parameters with the CareTeam. Raises Forbidden, Invalid, or NotFound for a code that is not good."""
    _person(access)
    patient, code = _patient(access, invocation), str(invocation.given.text("code"))
    team = await atransaction(interactions.pool, lambda: accept(access, interactions.bases, code=code, patient=patient))
    told = {"name": "return", "valueReference": {"reference": f"{CARE_TEAM}/{team}"}}
    return Outcome(201, encode({"resourceType": "Parameters", "parameter": [told]}))


def _person(access: AccessContext) -> str:
    """The account that calls. Raises Forbidden for a token of nobody, or without the scope."""
    access.require(CARE_TEAM, Permission.CREATE)
    if access.origin.account is None or (access.practitioner is None and access.person is None):
        raise forbidden("this is for the tokens of patients and clinicians")
    return access.origin.account


def _patient(access: AccessContext, invocation: Invocation) -> str:
    """Whose record a patient's app means; empty for a clinician's. Raises Invalid."""
    given = (invocation.given.text("patient") or "").removeprefix("Patient/")
    if access.practitioner is not None:
        if given:
            raise invalid("a clinician names no patient", code="value", expression=("patient",))
        return ""
    patient = given or access.patient or ""
    if not ids.is_logical_id(patient):
        raise invalid("say whose record is meant, by its id", code="required", expression=("patient",))
    return patient
