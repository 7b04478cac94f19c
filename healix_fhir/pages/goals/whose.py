"""Whose goals a page is about, and what who looks may do there."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from starlette.requests import Request

from healix_fhir.kernel import ids
from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.pages.people import one
from healix_fhir.pages.present import Person
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

ADDRESS = "/account/goals"
LOGIN = "/account/login"
SCOPE = parse("user/Goal.cruds user/Observation.rs user/Patient.rs")


@dataclass(frozen=True, slots=True)
class Whose:
    """The patient, and the access of who looks; `author` is the reference of who sets goals here, if that is known."""

    patient: Person
    access: AccessContext
    session: Session
    author: str | None

    @property
    def clinical(self) -> bool:
        """Whether a clinician looks."""
        return self.session.account.practitioner is not None

    @property
    def own(self) -> bool:
        """Whether a patient looks at their own record."""
        return self.session.account.patient == self.patient.id

    def may_change(self, expressed: str | None) -> bool:
        """Whether a goal that somebody `expressed` is changed here: clinicians change all, others what they set."""
        return self.clinical or (expressed is not None and expressed == self.author)


async def whose(site: Site, request: Request, asked: str) -> Whose | None:
    """None where nobody is signed in. Raises Forbidden for administrators, NotFound for whom one does not see."""
    session = await site.session(request)
    if session is None:
        return None
    account = session.account
    if account.role == "admin":
        raise forbidden("Goals are for patients and clinicians.")
    access = msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)
    patient = asked.strip().removeprefix("Patient/") or account.patient or ""
    person = await one(site, access, patient) if ids.is_logical_id(patient) else None
    if person is None:
        raise not_found("There is no such patient.")
    if account.practitioner is not None:
        author: str | None = f"Practitioner/{account.practitioner}"
    else:
        author = f"Patient/{patient}" if account.patient == patient else None
    return Whose(person, access, session, author)
