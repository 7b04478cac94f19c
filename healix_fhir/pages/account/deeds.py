"""Rows of the audit trail in words that a patient understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.interaction.trail.render import Recorded
from healix_fhir.kernel.language.catalogue import Words, marked, say
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.pages.words import kind

VERBS = Words({"C": "added", "R": "looked at", "U": "changed", "D": "deleted", "E": "looked through"})
"""By the action of the row."""
DEEDS = Words(
    {
        "authorize": "let an app in",
        "token": "gave an app its access",
        "introspect": "asked what an app's access is worth",
        "launch": "started an app",
        "registration": "opened an account",
        "invitation": "made an invitation to an account",
        "$acknowledge": "looks after an alert",
        "$resolve": "dealt with an alert",
        "$progress": "looked how far a goal is reached",
        "care-invite": "invited to a care relationship, or took that back",
        "care-accept": "accepted a care relationship",
        "care-decline": "declined a care relationship",
        "care-end": "ended a care relationship",
        "$break-glass": "opened the record in an emergency",
        "$end-break-glass": "closed the record after an emergency",
        "list-break-glass": "looked at the list of emergencies",
    }
)
"""What is done by other words of the trail than those of resources and images."""
NOBODY = marked("Somebody without an account")


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody (`who`), with an app or not (`by`), did `times` on one day, the `last` time then."""

    who: str
    by: str
    what: str
    times: int
    last: datetime
    refused: bool
    emergency: bool


def lines(rows: Iterable[Recorded], people: Mapping[str, str], apps: Mapping[str, str]) -> list[Line]:
    """The lines that rows make, the newest first. `people` are names by username, `apps` by client_id."""
    found: dict[tuple[object, ...], list[Recorded]] = {}
    for row in rows:
        told = (row.recorded.date(), row.account, row.client, deed(row), bool(row.outcome), row.emergency)
        found.setdefault(told, []).append(row)
    return [_line(several, people, apps) for several in found.values()]


def deed(row: Recorded) -> str:
    """What a row says was done, e.g. "looked at allergies"."""
    if row.subtype in DEEDS:
        return DEEDS[row.subtype]
    verb = VERBS[row.action if row.action in VERBS else "E"]
    entity = row.entity or ""
    named = entity.partition("/")[0]
    if named == "AuditEvent":
        return say("{verb} {what}", verb=verb, what=say("this list"))
    if named in TYPE_ID:
        return say("{verb} {what}", verb=verb, what=kind(named))
    what = say("images") if entity.replace(".", "").isdigit() else say("the record")
    return say("{verb} {what}", verb=verb, what=what)


def _line(rows: list[Recorded], people: Mapping[str, str], apps: Mapping[str, str]) -> Line:
    row = rows[0]
    by = apps.get(row.client, row.client) if row.client is not None else ""
    if row.account is None:
        who, by = (by or say(NOBODY)), ""
    else:
        who = people.get(row.account, row.account)
    last = max(one.recorded for one in rows)
    return Line(who, by, deed(row), len(rows), last, bool(row.outcome), row.emergency)
