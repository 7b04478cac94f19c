"""Refusals in the words of OAuth, and every category of refusal as one of them.

Spec: RFC 6749 4.1.2.1, 5.2; RFC 6750 3.1; RFC 7591 3.2.2
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from healix_fhir.kernel.errors import Category, HealixError


class Reason(StrEnum):
    """The values of `error`."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    ACCESS_DENIED = "access_denied"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    UNSUPPORTED_TOKEN_TYPE = "unsupported_token_type"  # noqa: S105 - RFC 7009 2.2.1
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - RFC 6750 3.1
    INSUFFICIENT_SCOPE = "insufficient_scope"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


CATEGORY: Mapping[Reason, Category] = MappingProxyType(
    {
        Reason.INVALID_CLIENT: Category.UNAUTHENTICATED,
        Reason.INVALID_TOKEN: Category.UNAUTHENTICATED,
        Reason.ACCESS_DENIED: Category.FORBIDDEN,
        Reason.INSUFFICIENT_SCOPE: Category.FORBIDDEN,
        Reason.SERVER_ERROR: Category.FAULT,
        Reason.TEMPORARILY_UNAVAILABLE: Category.UNAVAILABLE,
    }
)
"""The category of each reason; of all others Invalid, which is answered 400 as RFC 6749 section 5.2 says."""

ANSWER: Mapping[Category, tuple[Reason, int]] = MappingProxyType(
    {
        Category.INVALID: (Reason.INVALID_REQUEST, 400),
        Category.UNPROCESSABLE: (Reason.INVALID_REQUEST, 400),
        Category.UNAUTHENTICATED: (Reason.INVALID_CLIENT, 401),
        Category.FORBIDDEN: (Reason.ACCESS_DENIED, 403),
        Category.NOT_FOUND: (Reason.INVALID_REQUEST, 404),
        Category.GONE: (Reason.INVALID_REQUEST, 400),
        Category.NOT_ALLOWED: (Reason.INVALID_REQUEST, 405),
        Category.NOT_ACCEPTABLE: (Reason.INVALID_REQUEST, 406),
        Category.UNSUPPORTED_MEDIA: (Reason.INVALID_REQUEST, 415),
        Category.CONFLICT: (Reason.INVALID_REQUEST, 400),
        Category.PRECONDITION_FAILED: (Reason.INVALID_REQUEST, 400),
        Category.UNSUPPORTED: (Reason.INVALID_REQUEST, 400),
        Category.TOO_LARGE: (Reason.INVALID_REQUEST, 413),
        Category.BUSY: (Reason.TEMPORARILY_UNAVAILABLE, 429),
        Category.UNAVAILABLE: (Reason.TEMPORARILY_UNAVAILABLE, 503),
        Category.FULL: (Reason.TEMPORARILY_UNAVAILABLE, 507),
        Category.FAULT: (Reason.SERVER_ERROR, 500),
    }
)
"""Each category as `error` and HTTP status; a refusal that was made with a reason keeps that."""

UNSPEAKABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
"""What an `error_description` must not hold. Spec: RFC 6749 5.2"""


class OAuthError(HealixError):
    """A refusal with its OAuth reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(CATEGORY.get(reason, Category.INVALID), message)
        self.reason = reason


def answer(error: HealixError) -> tuple[int, dict[str, str]]:
    """The status and the body of a refusal."""
    reason, status = ANSWER[error.category]
    if isinstance(error, OAuthError):
        reason = error.reason
    return status, {"error": reason.value, "error_description": UNSPEAKABLE.sub("'", error.message)}
