"""What an HTTP edge asks of a bearer token, and how it answers when there is none that opens the request.

Spec: RFC 6750 2.1, 3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import Category
from smart_auth.access import AccessContext
from smart_auth.denial import Denial

REALM = "Healix"


class Refusals(Protocol):
    """Where refused requests are audited."""

    async def refused(self, origin: Origin, subtype: str, *, entity: str | None = None) -> None:
        """Audit that `subtype` on `entity` was refused to `origin`; never fails."""

    async def denied(self, origin: Origin, denials: Sequence[Denial]) -> None:
        """Audit what a known caller was not given; never fails."""


class Gate(Protocol):
    """The check of the token, once a request."""

    @property
    def denials(self) -> Refusals:
        """The audit trail of refusals; the edges tell it of Forbidden answers."""

    async def access(
        self, headers: Mapping[bytes, bytes], address: str | None, request_id: str | None
    ) -> AccessContext:
        """Who asks; `headers` by lower-case name. Raises Unauthenticated without a token that lives."""


def challenge(category: Category, headers: Mapping[bytes, bytes]) -> bytes | None:
    """The `WWW-Authenticate` header of a refusal; None where the category needs none.

    A request that carried no bearer token gets no error code: RFC 6750 3.1 keeps it for clients that tried.
    """
    if category is Category.FORBIDDEN:
        return f'Bearer realm="{REALM}", error="insufficient_scope"'.encode()
    if category is not Category.UNAUTHENTICATED:
        return None
    tried = headers.get(b"authorization", b"")[:7].lower() == b"bearer "
    return f'Bearer realm="{REALM}"'.encode() + (b', error="invalid_token"' if tried else b"")
