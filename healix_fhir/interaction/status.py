"""Categories of refusal as HTTP statuses: for the HTTP edge and for Bundle.entry.response.status.

Spec: FHIR R4, hl7.org/fhir/R4/http.html; RFC 9110 15
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.json import encode
from healix_fhir.model.primitives import CONTROLS

UNPRINTABLE = re.compile(rf"[{CONTROLS}\ud800-\udfff]")
STATUS: Mapping[Category, HTTPStatus] = MappingProxyType(
    {
        Category.INVALID: HTTPStatus.BAD_REQUEST,
        Category.UNPROCESSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
        Category.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
        Category.FORBIDDEN: HTTPStatus.FORBIDDEN,
        Category.NOT_FOUND: HTTPStatus.NOT_FOUND,
        Category.GONE: HTTPStatus.GONE,
        Category.NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
        Category.NOT_ACCEPTABLE: HTTPStatus.NOT_ACCEPTABLE,
        Category.UNSUPPORTED_MEDIA: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Category.CONFLICT: HTTPStatus.CONFLICT,
        Category.PRECONDITION_FAILED: HTTPStatus.PRECONDITION_FAILED,
        Category.UNSUPPORTED: HTTPStatus.BAD_REQUEST,
        Category.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Category.BUSY: HTTPStatus.TOO_MANY_REQUESTS,
        Category.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Category.FULL: HTTPStatus.INSUFFICIENT_STORAGE,
        Category.FAULT: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
"""`Unsupported` is 400: R4 has 501 only for whole interactions, and a caller must not try again elsewhere."""


LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
COLUMN = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"


def line(status: HTTPStatus) -> str:
    """Bundle.entry.response.status: the code and its phrase."""
    return f"{status.value} {status.phrase}"


def outcome(issues: Sequence[Issue]) -> bytes:
    """The issues as an OperationOutcome. Spec: FHIR R4, hl7.org/fhir/R4/operationoutcome.html"""
    return encode({"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]})


def error_outcome(error: HealixError) -> bytes:
    """The OperationOutcome of a refusal: what its caller may know."""
    return outcome(error.issues)


def success(message: str) -> bytes:
    """The OperationOutcome of a write for callers who prefer one."""
    return outcome([Issue("informational", message, severity="information")])


def _issue(issue: Issue) -> dict[str, Any]:
    # a message may quote what the caller sent; an outcome holds only what a FHIR string may
    message = UNPRINTABLE.sub("\ufffd", issue.message)
    shown: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "diagnostics": message}
    if issue.place is not None:
        row, column = issue.place
        where = [{"url": LINE, "valueInteger": row}, {"url": COLUMN, "valueInteger": column}]
        shown = {"extension": where, **shown}
    return shown | {"expression": list(issue.expression)} if issue.expression else shown
