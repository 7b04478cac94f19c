"""Who uses the pages of prescriptions, and what these may do in their name: the same predicate as for any app.

Without a session there is only the way to the sign-in. Prescribing is for clinicians; what a patient may not write is
refused by the rules of the resources themselves too.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.pages.gate import Gate
from healix_fhir.pages.site import Site
from healix_fhir.pages.whose import asking
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session
from smart_auth.scope import parse

ADDRESS = "/account/prescriptions"
SCOPE = parse(
    "user/Patient.rs user/Practitioner.rs user/Medication.rs user/AllergyIntolerance.rs user/MedicationRequest.crus"
    " user/MedicationStatement.crus user/MedicationDispense.crs user/Encounter.rs user/Observation.rs"
    " user/Condition.rs user/DetectedIssue.rs user/RelatedPerson.rs"
)
"""What these pages do for an account, and what services that an administrator has set up may ask to be told."""


class Caller(msgspec.Struct, frozen=True):
    """Who looks at a page: the session, and the access of these pages."""

    session: Session
    access: AccessContext

    @property
    def is_clinician(self) -> bool:
        """Whether it is one who prescribes."""
        return self.session.account.practitioner is not None

    @property
    def common(self) -> dict[str, Any]:
        """What every page shows."""
        account = self.session.account
        return {
            "username": account.username,
            "csrf": self.session.csrf,
            "role": account.role,
            "clinician": self.is_clinician,
        }


def named(request: Request) -> str:
    """The id in an address. Raises Invalid for what is none."""
    id_ = str(request.path_params["id"])
    if not is_logical_id(id_):
        raise invalid("That is no prescription.")
    return id_


async def _caller(site: Site, request: Request) -> Caller | None:
    found = await asking(site, request, SCOPE)
    return None if found is None else Caller(*found)


async def _clinician(site: Site, request: Request) -> Caller | None:
    caller = await _caller(site, request)
    if caller is not None and not caller.is_clinician:
        raise forbidden("This page is for clinicians.")
    return caller


PEOPLE = Gate(_caller)
"""Before pages for patients and clinicians."""
CLINICIANS = Gate(_clinician)
"""Before pages for clinicians alone."""
