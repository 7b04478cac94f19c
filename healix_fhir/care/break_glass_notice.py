"""Tells the patient, and the clinic's privacy officer, that a clinician opened the record in an emergency.

An outbox consumer of the topic `break-glass`. The notice is a Communication in the patient's record with the id of the
opening, so that an event which comes twice makes one; and a mail, which says nothing of who or why, to the accounts of
both that have an address.

Spec: FHIR R4, hl7.org/fhir/R4/communication.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from healix_fhir.care.tongues import tongues
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.kernel.language.dates import moment
from healix_fhir.kernel.language.spoken import ENGLISH, speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.kernel.outbox import Event
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal
from smart_auth.break_glass import Opening, find

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def consumer(officer: str, bases: tuple[str, ...], language: str = ENGLISH) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose privacy officer is the Practitioner `officer` (a reference; empty: nobody), and
    whose people are spoken to in `language` where they chose none.
    """
    return lambda events: _handle(officer, bases, language, events)


def _handle(officer: str, bases: tuple[str, ...], clinic: str, events: Sequence[Event]) -> Work[None]:
    changes, mails = [], []
    for id_ in sorted({event.payload["id"] for event in events}):
        opening = yield from find(id_)
        if opening is not None:
            own = f"Patient/{opening.patient}"
            languages = yield from tongues([own, officer], clinic)
            with speaking(languages[own]):
                changes.append(change(Method.PUT, notice(opening, officer), "Communication", id_, bases))
            told = yield Statement(
                """SELECT mail, language, fhir_user FROM account
                   WHERE fhir_user = ANY(%s) AND mail IS NOT NULL AND NOT disabled ORDER BY mail""",
                ([own, officer],),
            )
            for to, chosen, user in told:
                with speaking(chosen or languages[user]):
                    mails.append(_mail(to, bases[0].removesuffix("/fhir"), own=user == own))
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
    """The Communication that tells of an opening, in the language that is spoken."""
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
        "payload": [{"contentString": _words(opening)}],
    }


def _words(opening: Opening) -> str:
    """What the patient is told, in the language that is spoken; the reason stands as it was given."""
    return " ".join(
        (
            say("A clinician who was not caring for you opened your record in an emergency."),
            say("The access ends {moment} UTC at the latest.", moment=moment(opening.ends.astimezone(UTC))),
            say("Reason given: {reason}", reason=opening.reason),
        )
    )
