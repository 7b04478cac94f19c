"""One request and its answer as plain values: handlers are functions from `Call` to `Answer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext

Headers = Mapping[bytes, bytes]
PARAMETERS = 1000


class Call(msgspec.Struct, frozen=True):
    """A request whose caller is known. `path` holds the segments that its route names, `body` is complete.

    `pretty` and `media_type` tell how the caller wants the answer written.
    """

    method: str
    path: Mapping[str, str]
    params: Sequence[tuple[str, str]]
    headers: Headers
    access: AccessContext
    media_type: bytes
    pretty: bool = False
    body: bytes = b""

    def header(self, name: bytes) -> str | None:
        """A header's value by its lower-case name."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None


class Answer(msgspec.Struct, frozen=True):
    """Status, headers without those that every answer has, and the body: JSON whose media type is the call's."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def header_map(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Headers by name; those that stand several times are joined into one list (RFC 9110 5.3)."""
    headers = dict(raw)
    if len(headers) != len(raw):
        joined: dict[bytes, bytes] = {}
        for name, value in raw:
            joined[name] = joined[name] + b", " + value if name in joined else value
        return joined
    return headers


def parameters(text: bytes) -> list[tuple[str, str]]:
    """The parameters of a query string or form. Raises Invalid when they are not percent-encoded UTF-8, or too many."""
    if not text:
        return []
    try:
        return parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS, separator="&"
        )
    except ValueError as error:
        raise invalid(
            f"the parameters must be percent-encoded UTF-8, at most {PARAMETERS}", code="structure"
        ) from error
