"""Around every request, in one pure ASGI layer: its id, security headers, CORS, telemetry, and an answer when all else
fails.

The id of a request stands in its log lines, its audit rows and the answer. A caller's `X-Request-Id` is kept when it is
a plain word; else it comes back as `X-Correlation-Id`, beside the one that is used.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#custom
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from healix_fhir.api.call import header_map
from healix_fhir.api.negotiation import JSON
from healix_fhir.api.outcome import refusal
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.ids import request_id
from healix_fhir.kernel.log import bind_contextvars
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.server.cors import ANSWERED, ANYONE, PREFLIGHT, VARIES, is_open, is_public
from healix_fhir.server.origins import Origins
from healix_fhir.server.telemetry import Telemetry
from healix_fhir.server.whole_answers import PIECES, WHOLE, pieces

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
VISIBLE = re.compile(rb"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
HSTS = (b"strict-transport-security", b"max-age=31536000")
HTTP_CATEGORY = {
    401: Category.UNAUTHENTICATED,
    403: Category.FORBIDDEN,
    404: Category.NOT_FOUND,
    405: Category.NOT_ALLOWED,
    413: Category.TOO_LARGE,
    415: Category.UNSUPPORTED_MEDIA,
}


class Outermost:
    """The layer around `app`. `secure`: the server is reached over TLS. `origins`: whose scripts may read the APIs."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, *, secure: bool, origins: Origins) -> None:
        self._app = app
        self._origins = origins
        self._telemetry = telemetry
        self._security = (*SECURITY, HSTS) if secure else SECURITY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(scope, send, self._security)
        bind_contextvars(request=answering.request)  # of this request's task alone
        began = perf_counter()
        if answering.origin is not None:
            await answering.look_at_origin(answering.origin, self._origins)
        if answering.is_preflight():
            await answering.preflight()
        else:
            try:
                await self._app(scope, receive, answering.send)
            except ClientDisconnect:
                answering.status = 499
            except Exception as error:  # noqa: BLE001 - nothing leaves the server unanswered
                await answering.fail(error)
        self._telemetry.observe(scope.get("healix.route", "other"), answering.status, perf_counter() - began)


class _Answering:
    """One request on its way out."""

    __slots__ = ("_cors", "_head", "_headers", "_scope", "_security", "_send", "origin", "request", "status")

    def __init__(self, scope: Scope, send: Send, security: tuple[tuple[bytes, bytes], ...]) -> None:
        self._scope = scope
        self._send = send
        self._security = security
        self._headers = dict(scope["headers"])
        given = self._headers.get(b"x-request-id")
        known = given is not None and REQUEST_ID.fullmatch(given) is not None
        self.request: str = given.decode() if given is not None and known else request_id()
        self.status = 0
        self._head: Message | None = None
        self.origin: bytes | None = self._headers.get(b"origin")
        path = scope["path"]
        self._cors: tuple[tuple[bytes, bytes], ...] = (VARIES,) if is_open(path) and not is_public(path) else ()
        scope["healix.request"] = self.request

    async def look_at_origin(self, origin: bytes, origins: Origins) -> None:
        """Find out whether the script that asks may read the answer, where a browser says whose it is."""
        path = self._scope["path"]
        if not is_open(path):
            return
        if is_public(path):
            self._cors = ((b"access-control-allow-origin", ANYONE), *ANSWERED)
        elif await origins.allows(origin.decode("latin-1")):
            self._cors = ((b"access-control-allow-origin", origin), *ANSWERED, VARIES)

    def is_preflight(self) -> bool:
        """Whether a browser asks what another origin's script may send."""
        return (
            self._scope["method"] == "OPTIONS"
            and b"access-control-request-method" in self._headers
            and is_open(self._scope["path"])
        )

    async def preflight(self) -> None:
        """Answer such a question."""
        await self.send({"type": "http.response.start", "status": 204, "headers": self._asked()})
        await self.send({"type": "http.response.body", "body": b""})

    def _asked(self) -> list[tuple[bytes, bytes]]:
        """What a preflight is told; nothing where the script may not read."""
        allowed = any(name == b"access-control-allow-origin" for name, _ in self._cors)
        return [*(PREFLIGHT if allowed else ()), (b"content-length", b"0")]

    async def send(self, message: Message) -> None:
        """Send a message of the application. The head of an answer waits for what follows it."""
        if message["type"] == "http.response.start":
            self._head = message
            return
        head, most = self._head, self._scope.get(PIECES, sys.maxsize)
        if head is not None:
            self._head = None
            self.status = head["status"]
            headers = self._complete(head.get("headers", ()))
            whole = self._scope.pop(WHOLE, None)  # left there, it and the request would hold each other
            body = message.get("body", b"")
            if whole and not message.get("more_body") and len(body) <= most and whole(self.status, headers, body):
                return
            await self._send({**head, "headers": headers})
        for part in pieces(message, most):
            await self._send(part)

    def _complete(self, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Headers with those that every answer carries; one that the answer has already is left as it is."""
        headers = list(given)
        names = dict(headers)
        headers += [header for header in self._security if header[0] not in names]
        headers.append((b"x-request-id", self.request.encode()))
        asked = self._headers.get(b"x-request-id")
        if asked is not None and asked != self.request.encode() and VISIBLE.fullmatch(asked):
            headers.append((b"x-correlation-id", asked))
        headers += [header for header in self._cors if header[0] not in names or header is VARIES]
        return headers

    async def fail(self, error: Exception) -> None:
        """Answer what no route has answered; when the answer is under way already, the connection is cut."""
        if self.status:
            as_refusal(error, self.request)
            raise _Cut from error
        answer = refusal(as_refusal(_of_starlette(error), self.request), header_map(self._scope["headers"]))
        headers: list[Any] = [
            (b"content-type", JSON.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"cache-control", b"no-store"),
            *answer.headers,
        ]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": answer.body})


class _Cut(Exception):  # noqa: N818 - it is no error to report, it makes the server close the connection
    """The answer cannot be finished."""


def _of_starlette(error: Exception) -> Exception:
    if isinstance(error, HTTPException) and error.status_code in HTTP_CATEGORY:
        return HealixError(HTTP_CATEGORY[error.status_code], error.detail or "refused")
    return error
