"""Whose record a page is about: one's own, or that of the `patient` it names, if one sees that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from healix_fhir.kernel import ids
from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.pages.people import one, people
from healix_fhir.pages.present import Person
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import Scope

LOGIN = "/account/login"


@dataclass(frozen=True, slots=True)
class Whose:
    """Who looks, with what access, at whose record."""

    session: Session
    access: AccessContext
    patient: Person

    @property
    def own(self) -> bool:
        """Whether it is one's own record."""
        return self.patient.id == self.session.account.patient

    @property
    def common(self) -> dict[str, Any]:
        """What templates of such pages need."""
        account = self.session.account
        return {"username": account.username, "csrf": self.session.csrf, "patient": self.patient, "own": self.own}


async def asking(site: Site, request: Request, scopes: frozenset[Scope]) -> tuple[Session, AccessContext] | None:
    """Who asks for a page of patients and clinicians, with the access of `scopes`; None where nobody is signed in.

    Raises Forbidden for administrators.
    """
    session = await site.session(request)
    if session is None:
        return None
    if session.account.role == "admin":
        raise forbidden("This page is for patients and clinicians.")
    return session, msgspec.structs.replace(await site.access(request, session), scopes=scopes)


async def patient_of(site: Site, session: Session, access: AccessContext, asked: str) -> Person:
    """The patient `asked`, else oneself. Raises NotFound for whom one does not see."""
    id_ = asked.strip().removeprefix("Patient/") or session.account.patient or ""
    person = await one(site, access, id_) if ids.is_logical_id(id_) else None
    if person is None:
        raise not_found("There is no such patient.")
    return person


async def whose(site: Site, request: Request, patient: str | None) -> Whose | None:
    """The record that a request is about; None where nobody is signed in.

    Raises NotFound for one that the caller does not see, and where there is none of one's own.
    """
    session = await site.session(request)
    if session is None:
        return None
    access = await site.access(request, session)
    asked = patient or session.account.patient
    if asked is None and access.person is not None:  # a parent without a record here: that of the first child
        found = (await people(site, access, "", None)).persons
        asked = found[0].id if found else None
    person = await one(site, access, asked) if asked is not None and access.scopes else None
    if person is None:
        raise not_found("There is no such record that you can see.")
    return Whose(session, access, person)
