"""The language that a person wants to be spoken to in, on pages and in mails. Spec: BCP 47"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement


def choose(username: str, code: str | None) -> Statement:
    """Keep the choice with the account; None takes it back."""
    return Statement("UPDATE account SET language = %s WHERE username = %s", (code, username))
