"""Who may take out for good what is stored."""

from __future__ import annotations

from healix_fhir.kernel.errors import forbidden
from healix_fhir.model.definitions import TYPES
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def permit(access: AccessContext, operation: str) -> None:
    """Refuse (Forbidden) who does not see everything and may not delete everything.

    What is taken out may be anything, and how much there was of it is told.
    """
    needed = (Permission.READ, Permission.DELETE)
    if not all(access.sees_all(type_, one) for type_ in TYPES for one in needed):
        raise forbidden(f"${operation} is for tokens with a scope that opens everything: system/*.rd or more")
