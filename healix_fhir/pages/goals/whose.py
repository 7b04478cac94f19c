"""Whose goals a page is about, and what who looks may do there."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from healix_fhir.pages.present import Person
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import asking, patient_of
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
    found = await asking(site, request, SCOPE)
    if found is None:
        return None
    session, access = found
    account, patient = session.account, await patient_of(site, session, access, asked)
    if account.practitioner is not None:
        author: str | None = f"Practitioner/{account.practitioner}"
    else:
        author = f"Patient/{patient.id}" if account.patient == patient.id else None
    return Whose(patient, access, session, author)
