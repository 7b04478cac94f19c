"""Tells the patient, and the clinic's privacy officer, that a clinician opened the record in an emergency.

An outbox consumer of the topic `break-glass`. The notice is a Communication in the patient's record with the id of the
opening, so that an event which comes twice makes one; and a mail, which says nothing of who or why, to the accounts of
both that have an address.

Spec: FHIR R4, hl7.org/fhir/R4/communication.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.kernel.outbox import Event
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal
from smart_auth.break_glass import Opening, find

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def consumer(officer: str, bases: tuple[str, ...]) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose privacy officer is the Practitioner `officer` (a reference; empty: nobody)."""
    return lambda events: _handle(officer, bases, events)


def _handle(officer: str, bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changes, mails = [], []
    for id_ in sorted({event.payload["id"] for event in events}):
        opening = yield from find(id_)
        if opening is not None:
            changes.append(change(Method.PUT, notice(opening, officer), "Communication", id_, bases))
            told = yield Statement(
                """SELECT mail, language, fhir_user LIKE 'Patient/%%' FROM account
                   WHERE fhir_user = ANY(%s) AND mail IS NOT NULL AND NOT disabled ORDER BY mail""",
                ([f"Patient/{opening.patient}", officer],),
            )
            for to, language, own in told:
                with speaking(language):
                    mails.append(_mail(to, bases[0].removesuffix("/fhir"), own=own))
    if changes:
        yield from commit(internal("healix-break-glass"), changes)
    if mails:
        yield post(mails)


def _mail(to: str, root: str, *, own: bool) -> Mail:
    if own:
        subject = say("Emergency access to your record")
        what = say("A clinician who was not caring for the patient opened your record in an emergency.")
    else:
        subject = say("Emergency access to a patient's record")
        what = say("A clinician who was not caring for the patient opened a patient's record in an emergency.")
    where = say("Who it was, and why, stands in the record: {address}", address=f"{root}/account/")
    return Mail(to, subject, f"{what}\n\n{where}\n\n{say('If you have questions, ask the clinic.')}\n")


def notice(opening: Opening, officer: str) -> dict[str, Any]:
    """The Communication that tells of an opening."""
    patient = {"reference": f"Patient/{opening.patient}"}
    told = [patient, *([{"reference": officer}] if officer else [])]
    return {
        "resourceType": "Communication",
        "id": opening.id,
        "status": "completed",
        "category": [{"coding": [{"system": CATEGORY, "code": "notification"}]}],
        "subject": patient,
        "sent": instant(opening.opened),
        "recipient": told,
        "sender": {"reference": f"Practitioner/{opening.practitioner}"},
        "reasonCode": [{"coding": [{"system": ACT_REASON, "code": "BTG"}], "text": opening.reason}],
        "payload": [
            {
                "contentString": "A clinician who was not caring for you opened your record in an emergency. "
                f"The access ends {opening.ends:%Y-%m-%d %H:%M} UTC at the latest. Reason given: {opening.reason}"
            }
        ],
    }
