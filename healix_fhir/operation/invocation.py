"""One call of an operation, as the HTTP edge hands it over.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError
from healix_fhir.operation.given import Given
from smart_auth.access import AccessContext


class Invocation(msgspec.Struct, frozen=True):
    """The query's parameters and the body, at the level (`system`, `type`, `instance`) that `type` and `id` tell.

    `as_sent`: the body is the text that the caller sent, so that lines and columns mean something to it. `given` are
    the parameters as the operation declares them, read when it is called. `asynchronous`: the caller wants the answer
    later (`Prefer: respond-async`); `lenient`: it takes what can be had (`Prefer: handling=lenient`). `content_type` is
    the media type of the body.
    """

    params: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    type: str | None = None
    id: str | None = None
    as_sent: bool = False
    method: str = "POST"
    given: Given = Given()
    asynchronous: bool = False
    lenient: bool = False
    content_type: str = ""

    @property
    def level(self) -> str:
        """On what the operation is called."""
        return "instance" if self.id is not None else "type" if self.type is not None else "system"


class Outcome(msgspec.Struct, frozen=True):
    """An answer that is not just 200: its status, the JSON of its resource, and headers.

    With a `content_type` the body is no resource, and sent as it is. `refused` is the refusal that the body tells of.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    refused: HealixError | None = None


Run = Callable[[Interactions, AccessContext, Invocation], Awaitable[bytes | Outcome]]
"""What runs an operation: the JSON of the resource of a plain answer, an Outcome, or a HealixError."""
