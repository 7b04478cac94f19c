"""$acknowledge and $resolve on a DetectedIssue, and $alert-rule on what states an alert rule.

Who acknowledges an alert says that somebody looks after it: nobody is told again. Who resolves it says that it is dealt
with. Both leave a mitigation with who it was, when, and a note; a plain update that does the same is as good. They are
for those who treat: a patient who reads an alert has not dealt with it.

`$alert-rule` tells whether a PlanDefinition or CarePlan has put alert rules in force, and why not.

Spec: FHIR R4, hl7.org/fhir/R4/detectedissue.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction.accept import known_id
from healix_fhir.interaction.patch import patched
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant, now
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.lock import permit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

Json = dict[str, Any]
DETECTED_ISSUE = "DetectedIssue"
ACTION = "urn:healix:alert-action"
OPEN = ("registered", "preliminary")
LONGEST = 1000

ACKNOWLEDGE = own(
    "acknowledge",
    "Says that the caller looks after an alert: nobody is told of it again.",
    into("note", "string", "What the caller has to say"),
    out("return", DETECTED_ISSUE, "The alert as it is now"),
    levels=("instance",),
    resource=(DETECTED_ISSUE,),
)
RESOLVE = own(
    "resolve",
    "Says that an alert is dealt with: its status becomes final.",
    into("note", "string", "What was done"),
    out("return", DETECTED_ISSUE, "The alert as it is now"),
    levels=("instance",),
    resource=(DETECTED_ISSUE,),
)
ALERT_RULE = own(
    "alert-rule",
    "Whether the resource has put alert rules in force, and why not.",
    out("state", "code", "`active`, `inactive`, or `unread` while the server has not looked at this version"),
    out("problem", "string", "Why it is inactive", least=0),
    out("failure", "string", "Why a rule could not be evaluated on what came last", least=0),
    levels=("instance",),
    resource=("PlanDefinition", "CarePlan"),
)


async def acknowledge(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Acknowledge an alert. Raises Forbidden, NotFound, or Conflict for one that is resolved."""
    return await _dealt(interactions, access, invocation, "acknowledged")


async def resolve(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Resolve an alert. Raises as `acknowledge` does."""
    return await _dealt(interactions, access, invocation, "resolved")


async def _dealt(interactions: Interactions, access: AccessContext, invocation: Invocation, what: str) -> bytes:
    id_, note = str(invocation.id), " ".join(str(invocation.given.text("note") or "").split())
    if access.practitioner is None and (access.person is not None or access.patient is not None):
        raise forbidden("alerts are acknowledged and resolved by those who treat")
    if len(note) > LONGEST:
        raise invalid(f"note has at most {LONGEST} characters", expression=("Parameters.parameter",))
    known_id(DETECTED_ISSUE, id_)
    permit(access, DETECTED_ISSUE, Method.PATCH)
    mitigation = _mitigation(access, what, note)

    def made(alert: Json) -> Json:
        status = alert.get("status")  # an extension may stand in its place
        if status not in OPEN:
            raise HealixError(
                Category.CONFLICT, f"DetectedIssue/{id_} is not open: its status is {status or 'unknown'}"
            )
        dealt = alert | {"mitigation": [*alert.get("mitigation", ()), mitigation]}
        return dealt | ({"status": "final"} if what == "resolved" else {})

    change = Change(Method.PATCH, DETECTED_ISSUE, id_, patch=patched(DETECTED_ISSUE, id_, made, interactions.bases))
    written = await interactions.writing.write(access, change)
    return written.stored.body


def _mitigation(access: AccessContext, what: str, note: str) -> Json:
    """What the caller did about an alert."""
    action: Json = {"coding": [{"system": ACTION, "code": what}], "text": note or what.capitalize()}
    author = {"author": {"reference": f"Practitioner/{access.practitioner}"}} if access.practitioner else {}
    return {"action": action, "date": instant(now()), **author}


async def alert_rule(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """What the server makes of a PlanDefinition or CarePlan. Raises as a read of it does."""
    stored = await interactions.read(access, str(invocation.type), str(invocation.id))
    found = await atransaction(interactions.pool, lambda: _read(f"{stored.type}/{stored.id}"))
    if found is None or found[0] < stored.version:
        told: Json = {"state": {"valueCode": "unread"}}
    else:
        _, in_force, problem, failure = found
        told = {"state": {"valueCode": "active" if in_force else "inactive"}}
        told |= {"problem": {"valueString": problem or NO_RULE}} if not in_force else {}
        told |= {"failure": {"valueString": failure}} if failure else {}
    return encode(
        {"resourceType": "Parameters", "parameter": [{"name": name, **value} for name, value in told.items()]}
    )


NO_RULE = "it states no alert rule"


def _read(source: str) -> Work[tuple[int, bool, str | None, str | None] | None]:
    rows = yield Statement("SELECT version, plans <> '', problem, failure FROM alert_rule WHERE source = %s", (source,))
    return tuple(rows[0]) if rows else None
