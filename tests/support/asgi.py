"""Requests to an ASGI application without a socket, and callers whose tokens need no database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Scope

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import unauthenticated
from smart_auth.access import AccessContext
from smart_auth.denial import Denial
from smart_auth.scope import parse


@dataclass(frozen=True)
class Reply:
    """What the application answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class FakeGate:
    """Tokens `good` (system/*.cruds) and those in `scopes`; remembers which refusals were audited."""

    def __init__(self, scopes: Mapping[str, str] | None = None) -> None:
        self.scopes = {"good": "system/*.cruds"} | dict(scopes or {})
        self.denials = FakeDenials()

    async def access(
        self, headers: Mapping[bytes, bytes], address: str | None, request_id: str | None
    ) -> AccessContext:
        """As of `smart_auth.api.bearer.TokenGate`."""
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        if token not in self.scopes:
            raise unauthenticated("the access token is not valid")
        return AccessContext(parse(self.scopes[token]), Origin(client="test", address=address, request=request_id))


@dataclass
class FakeDenials:
    """The audit trail of refusals as a list."""

    seen: list[tuple[str, str | None]] = field(default_factory=list)

    async def refused(self, origin: Origin, subtype: str, *, entity: str | None = None) -> None:
        """As of `smart_auth.denials.Denials`."""
        assert origin.client == "test"
        self.seen.append((subtype, entity))

    async def denied(self, origin: Origin, denials: Sequence[Denial]) -> None:
        """As of `smart_auth.denials.Denials`."""
        assert origin.client == "test"
        self.seen += [(one.word, one.entity) for one in denials]


def router(routes: Sequence[BaseRoute]) -> ASGIApp:
    """An application of these routes."""
    return Router(list(routes), redirect_slashes=False)


def request(
    app: ASGIApp,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | Sequence[bytes] = b"",
    token: str | None = "good",
    client: tuple[str, int] | None = ("192.0.2.7", 1),
    cut: bool = False,
) -> Reply:
    """Send one request; a list of bytes is a body in chunks, `cut` a caller who goes away before the body's end."""
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if token is not None:
        given.setdefault("authorization", f"Bearer {token}")
    if isinstance(body, bytes):
        given.setdefault("content-length", str(len(body)))
    scope = scope_of(method, url, given, client)
    return asyncio.run(exchange(app, scope, [body] if isinstance(body, bytes) else list(body), cut=cut))


@asynccontextmanager
async def started(app: ASGIApp) -> AsyncIterator[None]:
    """Run the application's lifespan around the block."""
    events: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message] = asyncio.Queue()

    async def live() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, events.get, answers.put)

    running = asyncio.create_task(live())
    try:
        await events.put({"type": "lifespan.startup"})
        assert (await answers.get())["type"] == "lifespan.startup.complete"
        yield
    finally:
        await events.put({"type": "lifespan.shutdown"})
        await running


def scope_of(
    method: str, url: str, headers: Mapping[str, str], client: tuple[str, int] | None = ("192.0.2.7", 1)
) -> Scope:
    """The scope of a request, as a server makes it of what it has received."""
    path, _, query = url.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": quote(path, safe="/%").encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("healix.test", 80),
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": client,
    }


async def exchange(app: ASGIApp, scope: Scope, chunks: list[bytes], *, cut: bool = False) -> Reply:
    """Send one request whose body comes in `chunks`, and wait for its answer."""
    sent: list[Message] = []
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": cut or n < len(chunks) - 1}
        for n, chunk in enumerate(chunks)
    ]

    async def receive() -> Message:
        if not waiting and not cut:
            await asyncio.Event().wait()  # the caller stays and listens
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))
