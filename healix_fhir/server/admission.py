"""How much a web process does at once, who waits for how long, and what is refused when more comes than can be done.

Clinical work and bulk work have places of their own, so that exports never keep a read waiting. Whoever finds no place
waits in a line of its class; each line is bounded in number and in time, and callers in it take turns: one that sends
a thousand requests at once waits for itself, and another is served after one of them. Room in a full line is taken
from whoever has most in it, so that a few callers cannot keep all others out of it. What finds no room, or stands in
line for too long, is refused with 503 and `Retry-After`; what a caller has too much in line, with 429.
A caller is a token that was good here before; all others are their address, whatever they claim to be.

Only work takes a place: it is left while the caller sends its body or reads its answer, so that slow callers hold none.
Bodies that are held meanwhile are counted, and the process holds `HELD` bytes of them at most.

Spec: RFC 9110 15.6.4, 10.2.3; RFC 6585 4
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.server.telemetry import Telemetry
from smart_auth.network import network

RETRY_AFTER = 2
PAUSE = 0.25
"""Seconds that a refusal waits: a crowd that asks again at once would have the processor for its refusals."""
HELD = 256 << 20
LARGE = 1 << 20
"""Bytes from which a Bundle counts as bulk work."""
FREE = ("/healthz", "/readyz", "/metrics", "/subscriptions/")
"""What is always answered: what supervisors ask, and streams of events, which count their callers themselves."""
BULK = re.compile(r"/bulk/|/fhir/(.*/)?\$(export|import|reindex|purge|expunge|stats|ingest-measurements)$")


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one class: requests that are done `at_once`, that are `waiting` of all and of `each` caller, and how long."""

    at_once: int
    waiting: int
    each: int
    seconds: float


Recognise = Callable[[Mapping[bytes, bytes]], bytes | None]
"""The hash of the token in the headers of a request, where that was good before."""


def nobody(headers: Mapping[bytes, bytes]) -> bytes | None:
    """No token was good yet."""
    del headers
    return None


CLINICAL_TERMS = Terms(at_once=16, waiting=256, each=128, seconds=10.0)
BULK_TERMS = Terms(at_once=4, waiting=32, each=16, seconds=10.0)


class Line:
    """The places of one class, and who waits for one. It is used by one event loop alone."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._busy = 0
        self._count = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, who: Callable[[], str]) -> None:
        """Take a place, as soon as it is the turn of the caller, whom `who` tells where there is none.

        Raises Unavailable when the line is full or does not move, Busy when this caller has too many in it, or most of
        all when another comes.
        """
        if self._busy < self._terms.at_once:
            self._busy += 1
            return
        caller = who()
        count = len(self._waiting.get(caller, ()))
        if count >= self._terms.each:
            raise _too_many()
        if self._count >= self._terms.waiting:
            self._make_room(count)
        own = self._waiting.setdefault(caller, deque())
        turn = asyncio.get_running_loop().create_future()
        own.append(turn)
        self._count += 1
        try:
            async with asyncio.timeout(self._terms.seconds):
                await turn
        except BaseException as error:
            self._give_up(caller, turn)
            if isinstance(error, TimeoutError):
                raise _refused() from error
            raise

    def leave(self) -> None:
        """Give a place up; whoever's turn it is has it."""
        self._busy -= 1
        while self._count and self._busy < self._terms.at_once:
            caller, own = self._waiting.popitem(last=False)
            turn = own.popleft()
            self._count -= 1
            if own:
                self._waiting[caller] = own
            if not turn.done():  # who has just given up takes none
                turn.set_result(None)
                self._busy += 1

    def come_back(self) -> None:
        """Go on with what is begun: that waits for nobody."""
        self._busy += 1

    def _make_room(self, count: int) -> None:
        """Send away the last request of whoever has most in line. Raises Unavailable where even that one has no more
        than `count` of the caller's and the one that comes.
        """
        own = max(self._waiting.values(), key=len, default=())
        if not own or len(own) <= count + 1:
            raise _refused()
        own.pop().set_exception(_too_many())
        self._count -= 1

    def _give_up(self, caller: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.leave()  # the place came too late
            return
        own = self._waiting.get(caller)
        if own is None or turn not in own:
            return
        own.remove(turn)
        self._count -= 1
        if not own:
            del self._waiting[caller]


class Admission:
    """The layer around `app` that lets in what can be done."""

    def __init__(
        self, app: ASGIApp, telemetry: Telemetry, *, clinical: Terms = CLINICAL_TERMS, bulk: Terms = BULK_TERMS
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self.lines = {"clinical": Line(clinical), "bulk": Line(bulk)}
        self.held = 0
        self._recognise: Recognise = nobody

    def use(self, recognise: Recognise) -> None:
        """From now on, give those their own turns whom `recognise` knows."""
        self._recognise = recognise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface. Raises Unavailable and Busy for what is not let in."""
        if scope["type"] != "http" or scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
            return
        kind = "bulk" if _is_bulk(scope) else "clinical"
        line = self.lines[kind]
        try:
            await line.enter(partial(self._caller, scope))
        except HealixError as error:
            self._telemetry.turned_away(kind, error.category.value)
            await asyncio.sleep(PAUSE)
            raise
        visit = _Visit(self, kind, receive, send, counted=not scope["path"].startswith("/dicomweb"))
        try:
            await self._app(scope, visit.receive, visit.send)
        finally:
            self.held -= visit.held
            line.leave()

    def hold(self, kind: str, size: int, own: int) -> None:
        """Count so many bytes of a body, of which its request now holds `own`. Raises Unavailable when it is too much;
        a single one may be larger.
        """
        self.held += size
        if self.held > HELD and own < self.held:
            self._telemetry.turned_away(kind, "memory")
            raise _refused()

    def _caller(self, scope: Scope) -> str:
        """Who takes turns: a token that was good before, else an address."""
        hashed = self._recognise(dict(scope["headers"]))
        if hashed is not None:
            return hashed.hex()
        client: tuple[Any, ...] | None = scope.get("client")
        return network(client[0]) if client else ""


class _Visit:
    """A request that is let in: it gives its place up while it waits for its caller. Its body is `counted`, but where
    it goes to the archive as it comes.
    """

    __slots__ = ("_admission", "_away", "_complete", "_counted", "_kind", "_line", "_receive", "_send", "held")

    def __init__(self, admission: Admission, kind: str, receive: Receive, send: Send, *, counted: bool) -> None:
        self._admission = admission
        self._kind = kind
        self._line = admission.lines[kind]
        self._receive = receive
        self._send = send
        self._counted = counted
        self._complete = False
        self._away = 0  # how many of its calls wait for the caller: the place is given up once
        self.held = 0

    async def receive(self) -> Message:
        """A message from the caller."""
        if self._complete:  # what comes now is that the caller goes, for which an answer under way does not wait
            return await self._receive()
        self._go()
        try:
            message = await self._receive()
        finally:
            self._return()
        self._complete = not message.get("more_body")
        size = len(message.get("body", b"")) if self._counted else 0
        if size:
            self.held += size
            self._admission.hold(self._kind, size, self.held)
        return message

    async def send(self, message: Message) -> None:
        """A message to the caller."""
        if message["type"] == "http.response.start":  # the outermost layer keeps it until something follows
            await self._send(message)
            return
        self._go()
        try:
            await self._send(message)  # also the last piece: it waits for a caller who has not read those before
        finally:
            self._return()

    def _go(self) -> None:
        self._away += 1
        if self._away == 1:
            self._line.leave()

    def _return(self) -> None:
        self._away -= 1
        if self._away == 0:
            self._line.come_back()


def _too_many() -> HealixError:
    return HealixError(Category.BUSY, "too many requests of yours are waiting already", retry_after=RETRY_AFTER)


def _refused() -> HealixError:
    return HealixError(
        Category.UNAVAILABLE, "the server has more to do than it can; try again later", retry_after=RETRY_AFTER
    )


def _is_bulk(scope: Scope) -> bool:
    path: str = scope["path"]
    if path in ("/fhir", "/fhir/"):
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        return b"transfer-encoding" in headers or (length.isdigit() and int(length) > LARGE)
    return ("$" in path or "/bulk/" in path) and BULK.match(path) is not None
