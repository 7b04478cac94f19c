"""The one answer to a factor that is not right. Why it is not is for the audit trail alone.

Spec: OWASP ASVS 5.0 6.3.8 (answers that tell no more than that)
"""

from __future__ import annotations

from healix_fhir.kernel.errors import Category, HealixError

WRONG = "That was not right. Codes are good once, and those of an app for a short time."


def not_proved(why: str | None = None) -> HealixError:
    """The refusal; `why` in words of this program."""
    return HealixError(Category.UNAUTHENTICATED, WRONG, detail=why)
