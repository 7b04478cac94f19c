"""The one error model: a category first, a status code last, and one table per protocol that converts.

Code raises `HealixError` (mostly through the constructors below) wherever a request is refused. What reaches
the caller is `message` and `issues`; `detail` is for the log only and may hold what a caller must not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from healix_fhir.kernel.quota import Quota, waiting


class Category(Enum):
    """Why a request is refused, independent of the protocol that carried it."""

    INVALID = "invalid"  # cannot be parsed, or breaks the base rules of its format
    UNPROCESSABLE = "unprocessable"  # well-formed, but breaks a business rule
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    GONE = "gone"
    NOT_ALLOWED = "not-allowed"  # the method does not apply to this address
    NOT_ACCEPTABLE = "not-acceptable"  # no representation that the caller accepts
    UNSUPPORTED_MEDIA = "unsupported-media"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition-failed"
    UNSUPPORTED = "unsupported"  # a feature of the standard that this server refuses by name
    TOO_LARGE = "too-large"
    BUSY = "busy"  # a limit of this caller is reached; try again later
    UNAVAILABLE = "unavailable"  # a part that the server needs is away; try again later
    FULL = "full"  # there is no room to store anything: an operator has to make some
    FAULT = "fault"  # our own error


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding, in the terms of OperationOutcome.issue.

    `code` is a code of the FHIR issue-type value set; `expression` holds FHIRPath locations; `place` is the line and
    column of the caller's text where the first of them is, both from 1.
    Spec: FHIR R4, hl7.org/fhir/R4/operationoutcome.html
    """

    code: str
    message: str
    expression: tuple[str, ...] = ()
    severity: str = "error"
    place: tuple[int, int] | None = None


class HealixError(Exception):
    """A refusal with its category, its public issues and a private detail for the log.

    `etag` is the entity tag of the deletion that makes a resource Gone. `quotas` are the limits that were reached.
    For the audit trail: `about` names resources (type, id) that are not there or not to be seen, `patients` those whose
    records were to be written to.
    """

    def __init__(
        self,
        category: Category,
        message: str,
        *,
        issues: tuple[Issue, ...] = (),
        code: str | None = None,
        expression: tuple[str, ...] = (),
        detail: str | None = None,
        retry_after: int | None = None,
        etag: str | None = None,
        quotas: tuple[Quota, ...] = (),
        about: tuple[tuple[str, str], ...] = (),
        patients: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.issues = issues or (Issue(code or ISSUE_CODE[category], message, expression),)
        self.detail = detail
        self.retry_after = retry_after
        self.etag = etag
        self.quotas = quotas
        self.about = about
        self.patients = patients

    @property
    def waiting(self) -> dict[str, str]:
        """The headers that tell when to come back."""
        return waiting(self.retry_after, self.quotas)


ISSUE_CODE: dict[Category, str] = {
    Category.INVALID: "invalid",
    Category.UNPROCESSABLE: "business-rule",
    Category.UNAUTHENTICATED: "login",
    Category.FORBIDDEN: "forbidden",
    Category.NOT_FOUND: "not-found",
    Category.GONE: "deleted",
    Category.NOT_ALLOWED: "not-supported",
    Category.NOT_ACCEPTABLE: "not-supported",
    Category.UNSUPPORTED_MEDIA: "not-supported",
    Category.CONFLICT: "conflict",
    Category.PRECONDITION_FAILED: "conflict",
    Category.UNSUPPORTED: "not-supported",
    Category.TOO_LARGE: "too-long",
    Category.BUSY: "throttled",
    Category.UNAVAILABLE: "transient",
    Category.FULL: "no-store",
    Category.FAULT: "exception",
}


def invalid(message: str, *, code: str = "invalid", expression: tuple[str, ...] = ()) -> HealixError:
    """The input cannot be parsed or breaks the base rules of its format."""
    return HealixError(Category.INVALID, message, code=code, expression=expression)


def unsupported(message: str) -> HealixError:
    """A feature of the standard that is refused by name."""
    return HealixError(Category.UNSUPPORTED, message)


def not_found(message: str) -> HealixError:
    """What does not exist, and, answered alike, what the caller may not see."""
    return HealixError(Category.NOT_FOUND, message)


def forbidden(message: str) -> HealixError:
    """The token is good, but does not allow this."""
    return HealixError(Category.FORBIDDEN, message)


def unauthenticated(message: str) -> HealixError:
    """No token, or one that is unknown, expired or revoked."""
    return HealixError(Category.UNAUTHENTICATED, message)


def too_large(message: str) -> HealixError:
    """The input passes a limit that the message names."""
    return HealixError(Category.TOO_LARGE, message)
