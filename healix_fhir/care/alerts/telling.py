"""Tells people of alerts: a Communication in the record and a mail, which says no more than that there is something.

At first the care team is told: the practitioners of the patient's CareTeams and those whom the Patient names as general
practitioners; and the patient. When nobody acknowledges, everybody is who has a care relationship with the patient now.
Who opened the record in an emergency is no part of it. See smart_auth/relationship.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.resources import Notice, communication, id_of
from healix_fhir.care.alerts.rule import CARE_TEAM, PATIENT
from healix_fhir.care.alerts.worded import worded
from healix_fhir.care.tongues import tongues
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.kernel.mail.queue import post
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal
from smart_auth.care_list import IN_FORCE

NAME = "alerts"
"""Under this name the server writes alerts."""
ACCESS = internal(NAME)

APART = -1
Told = tuple[Notice, int]
"""A notice and its step: 0 for the first, n for the nth escalation, `APART` for the patient at another hour."""


def tell(told: Sequence[Told], moment: datetime, clinic: Clinic) -> Work[None]:
    """Tell people of alerts, with as many statements for many as for one.

    Patients are told in their language, the team in the clinic's.
    """
    bases = clinic.bases
    owners = {f"Patient/{notice.patient}" for notice, step in told if PATIENT in notice.told and step <= 0}
    languages = (yield from tongues(owners, clinic.language)) if owners else {}
    teams = yield from _teams(sorted({notice.pat for notice, _ in told}))
    changes: list[Change] = []
    mailed: dict[str, int] = {}
    for notice, step in told:
        near, all_ = teams.get(notice.pat, ([], []))
        team = [f"Practitioner/{one}" for one in ((near or all_) if step == 0 else all_)]
        if CARE_TEAM in notice.told and team:
            with speaking(clinic.language):  # it is one message for all of them
                changes.append(_told(notice, f"team-{step}", team, worded(notice.words), moment, bases))
            mailed |= dict.fromkeys(team, 0)
        if PATIENT in notice.told and step <= 0:
            own = f"Patient/{notice.patient}"
            with speaking(languages[own]):
                changes.append(_told(notice, "patient", [own], say(notice.plain), moment, bases))
            mailed[own] = 0
    if changes:
        yield from commit(ACCESS, changes)
        yield from _mail(sorted(mailed), languages, clinic)


def _told(
    notice: Notice, what: str, recipients: Sequence[str], words: str, moment: datetime, bases: tuple[str, ...]
) -> Change:
    id_ = id_of(notice.issue, what)
    return change(Method.PUT, communication(id_, notice, recipients, words, moment), "Communication", id_, bases)


def _teams(pats: Sequence[int]) -> Work[dict[int, tuple[list[str], list[str]]]]:
    """By patient, the practitioners of the care team, and all who have a care relationship now."""
    rows = yield Statement(
        f"""SELECT v.pat, v.practitioner, bool_or(v.source ~ '^(CareTeam|Patient)/') FROM care_relationship v
            WHERE v.pat = ANY(%s) AND NOT v.emergency AND {IN_FORCE} AND v.practitioner !~ '/'
            GROUP BY v.pat, v.practitioner ORDER BY v.pat, v.practitioner""",
        (list(pats),),
    )
    found: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for pat, practitioner, near in rows:
        found[pat][1].append(practitioner)
        if near:
            found[pat][0].append(practitioner)
    return dict(found)


def _mail(users: Sequence[str], languages: Mapping[str, str], clinic: Clinic) -> Work[None]:
    rows = yield Statement(
        """SELECT DISTINCT mail, language, fhir_user FROM account
           WHERE fhir_user = ANY(%s) AND mail IS NOT NULL AND NOT disabled ORDER BY mail""",
        (list(users),),
    )
    if rows:
        root = clinic.bases[0].removesuffix("/fhir")
        letters = []
        for to, chosen, user in rows:
            with speaking(chosen or languages.get(user, clinic.language)):
                letters.append(_letter(to, root, own=user.startswith("Patient/")))
        yield post(letters)


def _letter(to: str, root: str, *, own: bool) -> Mail:
    """The mail, which holds nothing of anybody's health."""
    if own:
        subject, text = say("Something new at your clinic"), say("There is something new for you at your clinic.")
    else:
        subject, text = say("A new alert"), say("There is a new alert about a patient of yours.")
    return Mail(to, subject, f"{text}\n\n{say('See {address}', address=f'{root}/account/alerts')}\n")
