"""One request and its answer as plain values: handlers are functions from `Call` to `Answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from healix_fhir.api.negotiation import Format
from smart_auth.access import AccessContext
from smart_auth.denial import Denial

Headers = Mapping[bytes, bytes]


class Call(msgspec.Struct, frozen=True):
    """A request whose caller is known. `path` holds the segments that its route names, `body` is complete.

    `content_type` is the media type that the body was sent in. Where that is one of FHIR's, `body` is JSON, XML too;
    else it is as it was sent. `format` and `pretty` tell how the caller wants the answer written.
    """

    method: str
    path: Mapping[str, str]
    params: Sequence[tuple[str, str]]
    headers: Headers
    access: AccessContext
    format: Format
    pretty: bool = False
    body: bytes = b""
    content_type: str = ""

    def header(self, name: bytes) -> str | None:
        """A header's value by its lower-case name."""
        return header(self.headers, name)


class Answer(msgspec.Struct, frozen=True):
    """Status, headers without those that every answer has, and the body.

    The body is the JSON of a resource, written as the call wants it, or with `content_type` anything, sent as it is.
    `denials` go into the audit trail before the answer goes out.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes | None = None
    denials: tuple[Denial, ...] = ()


def header(headers: Headers, name: bytes) -> str | None:
    """A header's value by its lower-case name."""
    value = headers.get(name)
    return value.decode("latin-1") if value is not None else None


def header_map(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Headers by name; those that stand several times are joined into one list (RFC 9110 5.3)."""
    headers = dict(raw)
    if len(headers) != len(raw):
        joined: dict[bytes, bytes] = {}
        for name, value in raw:
            joined[name] = joined[name] + b", " + value if name in joined else value
        return joined
    return headers
