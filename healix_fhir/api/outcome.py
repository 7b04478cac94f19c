"""A refusal as an answer: the one place where this edge turns a category into a status and an OperationOutcome.

The table is `healix_fhir/interaction/status.py`, which the entries of a batch are answered from as well.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#2.21.0.4, hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from healix_fhir.api.call import Answer, Headers
from healix_fhir.api.coding import CODINGS
from healix_fhir.interaction.status import STATUS, error_outcome
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.challenge import challenge


def refusal(error: HealixError, headers: Headers, allow: str | None = None, accept_patch: str | None = None) -> Answer:
    """The answer to a refused request with these `headers`.

    `allow` are the methods of its address, `accept_patch` the types of patch documents, for a patch.
    """
    extra: list[tuple[bytes, bytes]] = []
    if (wanted := challenge(error.category, headers)) is not None:
        extra.append((b"www-authenticate", wanted))
    extra += [(name.lower().encode(), value.encode()) for name, value in error.waiting.items()]
    if error.etag is not None:
        extra.append((b"etag", error.etag.encode()))
    if error.category is Category.NOT_ALLOWED and allow is not None:
        extra.append((b"allow", allow.encode()))
    if error.category is Category.UNSUPPORTED_MEDIA:
        extra.append((b"accept-encoding", CODINGS))
        if accept_patch is not None:
            extra.append((b"accept-patch", accept_patch.encode()))
    return Answer(STATUS[error.category].value, error_outcome(error), tuple(extra))
