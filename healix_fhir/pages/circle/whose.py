"""Whose circle a page is about: one's own record, that of somebody for whom one acts, or one's own patients."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from healix_fhir.pages.present import Person
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import asking, patient_of
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
    found = await asking(site, request, SCOPE)
    if found is None:
        return None
    session, access = found
    if session.account.practitioner is not None and not asked.strip():
        return Whose(session, access, None)
    return Whose(session, access, await patient_of(site, session, access, asked))
