"""Whose circle a page is about: one's own record, that of somebody for whom one acts, or one's own patients."""

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

ADDRESS = "/account/access"
LOGIN = "/account/login"
SCOPE = parse("user/Patient.rs user/Practitioner.rs user/RelatedPerson.rs")


@dataclass(frozen=True, slots=True)
class Whose:
    """Who looks. `patient` is the record that the page is about; None for a clinician's page of their own."""

    session: Session
    access: AccessContext
    patient: Person | None

    @property
    def practitioner(self) -> str | None:
        """The id of the Practitioner who looks, if it is one."""
        return self.session.account.practitioner

    @property
    def own(self) -> bool:
        """Whether a patient looks at their own record."""
        return self.patient is not None and self.patient.id == self.session.account.patient


async def whose(site: Site, request: Request, asked: str) -> Whose | None:
    """None where nobody is signed in. Raises Forbidden for administrators, NotFound for whom one does not see."""
    session = await site.session(request)
    if session is None:
        return None
    if session.account.role == "admin":
        raise forbidden("This page is for patients and clinicians.")
    access = msgspec.structs.replace(await site.access(request, session), scopes=SCOPE)
    asked = asked.strip().removeprefix("Patient/")
    if session.account.practitioner is not None and not asked:
        return Whose(session, access, None)
    patient = asked or session.account.patient or ""
    person = await one(site, access, patient) if ids.is_logical_id(patient) else None
    if person is None:
        raise not_found("There is no such patient.")
    return Whose(session, access, person)
