"""To whom objects of no patient are open.

They say how images are hung, coloured and made, and what an implant is like: nothing of a patient. Who looks after
patients may read them, as everything that belongs to no patient; systems keep them. Apps of patients and of research
have no business with them.
"""

from __future__ import annotations

from healix_fhir.kernel.errors import forbidden
from smart_auth.access import AccessContext
from smart_auth.scope import Context, Permission, contexts
from smart_auth.shared import LOOKING

TYPE = "ImagingStudy"
"""The FHIR type whose scopes open them, as they do images."""


def require(access: AccessContext, permission: Permission) -> None:
    """Refuse (Forbidden) whom they are not open to."""
    access.require_whole(TYPE, permission, "what is of no patient")
    opened = contexts(access.scopes, TYPE, permission)
    clinician = access.practitioner is not None and Context.USER in opened and permission in LOOKING
    if access.project is not None:
        raise forbidden("a research token opens the images of its project alone")
    if not (clinician or Context.SYSTEM in opened):
        raise forbidden("what is of no patient is open to system scopes, and to clinicians' user scopes to be read")
