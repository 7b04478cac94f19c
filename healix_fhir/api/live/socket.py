"""Web sockets that tell of the events of Subscriptions.

As R4 has it: `bind ID`, answered by `bound ID`, then `ping ID` whenever there is something; the token comes in the
Authorization header or, from browsers, which cannot send one, as a subprotocol `healix.bearer.TOKEN` beside
`healix.subscriptions`. As the backport guide has it: `bind-with-token TOKEN`, answered by a handshake for each
Subscription, then notifications as Bundles. Events are read from the store a few at a time; the token is looked at
again before each and whenever one is revoked.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html#2.46.7.2; hl7.fhir.uv.subscriptions-backport 1.1.0, channels.html;
RFC 6455
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from healix_fhir.api.call import header_map
from healix_fhir.api.live.process import PULSE, STALL, Live
from healix_fhir.api.outcome import refusal
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid, unauthenticated
from healix_fhir.kernel.ids import request_id
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.kernel.waking import woken
from healix_fhir.store.read import missing
from healix_fhir.subscription.binding import bound
from healix_fhir.subscription.channel import Kind as Channel
from healix_fhir.subscription.following import Heard, by_access, hear
from healix_fhir.subscription.guide import Kind
from healix_fhir.subscription.known import TYPE, Known
from healix_fhir.subscription.notification import notification
from smart_auth.access import AccessContext

PROTOCOL = "healix.subscriptions"
BEARER = "healix.bearer."
MOST = 100
"""Subscriptions of one socket."""
PATIENCE = 15.0
"""Seconds in which a socket must bind itself to something."""
GONE, UNEXPECTED, POLICY, FAILED, TRY_LATER = 1000, 1003, 1008, 1011, 1013
"""Close codes. Spec: RFC 6455 7.4.1"""
CODES: Mapping[Category, int] = {
    Category.UNAUTHENTICATED: POLICY,
    Category.FORBIDDEN: POLICY,
    Category.NOT_FOUND: POLICY,
    Category.INVALID: UNEXPECTED,
    Category.UNAVAILABLE: TRY_LATER,
    Category.BUSY: TRY_LATER,
}
LONGEST_REASON = 100
"""Characters; a close frame holds 123 bytes of them."""


class _Ended(Exception):  # noqa: N818 - it is no error, it ends a socket
    """The socket is over; `code` tells the other side why, 0 where that side has ended it."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True)
class _Binding:
    """A Subscription that a socket is bound to, with the token that opened it, and up to which event it was told."""

    token: bytes
    told: int
    heartbeat: int
    spoke: float


@dataclass(frozen=True, slots=True)
class Socket:
    """The address of the web sockets, as an ASGI application."""

    live: Live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        number = request_id()
        headers = _with_token(dict(header_map(scope["headers"])), scope["subprotocols"])
        await receive()
        try:
            access = await self._access(scope, headers, number)
            await self.live.check_origin(headers.get(b"origin"))
            address = _address(scope)
            who = (access.origin.client, access.origin.account) if access is not None else (None, address)
            with self.live.counted(who):
                chosen = {"subprotocol": PROTOCOL} if PROTOCOL in scope["subprotocols"] else {}
                await send({"type": "websocket.accept", **chosen})
                await _Session(self.live, access, address, number, send).run(receive)
        except Exception as error:  # noqa: BLE001 - whatever fails before the socket is open is answered
            await _refuse(send, as_refusal(error, number), headers)

    async def _access(self, scope: Scope, headers: Mapping[bytes, bytes], number: str) -> AccessContext | None:
        """Who opens the socket, where that is told already."""
        if b"authorization" not in headers:
            return None
        return await self.live.gate.access(headers, _address(scope), number)


def _address(scope: Scope) -> str | None:
    client = HTTPConnection(scope).client
    return client.host if client is not None else None


def _with_token(headers: dict[bytes, bytes], offered: list[str]) -> dict[bytes, bytes]:
    """The headers, with the token that a browser offers as a subprotocol where there is no other."""
    tokens = [word.removeprefix(BEARER) for word in offered if word.startswith(BEARER)]
    if tokens and b"authorization" not in headers:
        headers[b"authorization"] = b"Bearer " + tokens[0].encode("latin-1", "replace")
    return headers


async def _refuse(send: Send, error: HealixError, headers: Mapping[bytes, bytes]) -> None:
    answer = refusal(error, headers)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "websocket.http.response.body", "body": answer.body})


@dataclass(slots=True)
class _Session:
    """One open socket; `access` is of who opened it, where that was told."""

    live: Live
    access: AccessContext | None
    address: str | None
    number: str
    send: Send
    bindings: dict[str, _Binding] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, receive: Receive) -> None:
        """Take what the other side says and tell of events until one of the two has enough."""
        unwatch = self.live.gate.watch(self.wake.set)
        try:
            with self.live.waking.waking(self.wake, self.bindings):
                tasks = {asyncio.create_task(self._hear(receive)), asyncio.create_task(self._tell())}
                done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
        finally:
            unwatch()
        code, reason = _closing(next(iter(done)).exception())
        if code:
            with suppress(OSError):  # the other side is gone
                await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def _hear(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                raise _Ended(0)
            word, _, what = (message.get("text") or "").strip().partition(" ")
            if word == "bind" and what:
                await self._bind_one(what)
            elif word == "bind-with-token" and what:
                await self._bind_by_token(what)
            else:
                raise _Ended(UNEXPECTED, "say bind ID, or bind-with-token TOKEN")

    async def _bind_one(self, id_: str) -> None:
        """R4's form, for who came with a token."""
        token = self.access.origin.token if self.access is not None else None
        if token is None:
            raise unauthenticated("bind needs an access token; use bind-with-token")
        await self._bind((id_,), token)

    async def _bind_by_token(self, secret: str) -> None:
        found = await atransaction(self.live.pool, lambda: bound(secret))
        if found is None:
            raise unauthenticated("the binding token is not valid")
        await self._bind(found.subscriptions, found.token)

    async def _bind(self, ids: tuple[str, ...], token: bytes) -> None:
        if len(self.bindings.keys() | set(ids)) > MOST:
            raise invalid(f"a socket is bound to {MOST} Subscriptions at most")
        access = await self.live.again(token, self.address, self.number)
        for id_ in ids:
            found = await atransaction(self.live.pool, partial(by_access, access, id_))
            if found is None or found[1].channel != Channel.WEBSOCKET:
                raise missing(TYPE, id_)
            await self._begin(found[1], token)
        self.wake.set()

    async def _begin(self, one: Known, token: bytes) -> None:
        if one.content is not None and one.content.is_bundled:
            await self._say(notification(one.head(self.live.base), Kind.HANDSHAKE, one.content).decode())
        else:
            await self._say(f"bound {one.id}")
        self.bindings[one.id] = _Binding(token, one.events, one.heartbeat, time.monotonic())

    async def _tell(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            self.wake.clear()
            if not self.bindings:
                if time.monotonic() > until:
                    raise _Ended(POLICY, "nothing was bound")
                await woken(self.wake, PATIENCE)
                continue
            more = False
            accesses = {
                token: await self.live.again(token, self.address, self.number)
                for token in {binding.token for binding in self.bindings.values()}
            }
            ids = [id_ for id_, binding in self.bindings.items() if binding.token in accesses]
            followers = [
                (partial(by_access, accesses[self.bindings[id_].token], id_), self.bindings[id_].told) for id_ in ids
            ]
            for id_, heard in zip(ids, await atransaction(self.live.pool, partial(hear, followers)), strict=True):
                more |= await self._pass_on(id_, heard)
            if not self.bindings:
                raise _Ended(GONE, "the Subscription is no more in service")
            if not more:
                await woken(self.wake, min([PULSE, *self._beats()]))

    async def _pass_on(self, id_: str, heard: Heard) -> bool:
        """Tell what one Subscription has; whether there was something."""
        binding = self.bindings[id_]
        if heard.one is None:
            del self.bindings[id_]
            return False
        if heard.events:
            binding.told = heard.events[-1].number
        head = replace(heard.one.head(self.live.base), total=binding.told)
        now = time.monotonic()
        bundled = heard.content.is_bundled
        if heard.events and bundled:
            await self._say(notification(head, Kind.EVENTS, heard.content, heard.events).decode())
        elif any(event.shown is not None for event in heard.events):
            await self._say(f"ping {id_}")
        elif bundled and binding.heartbeat and now - binding.spoke >= binding.heartbeat:
            await self._say(notification(head, Kind.HEARTBEAT, heard.content).decode())
        else:
            return bool(heard.events)
        binding.spoke = now
        return bool(heard.events)

    def _beats(self) -> list[float]:
        """In how many seconds each Subscription owes a heartbeat."""
        now = time.monotonic()
        return [max(one.spoke + one.heartbeat - now, 0.05) for one in self.bindings.values() if one.heartbeat]

    async def _say(self, text: str) -> None:
        message: Message = {"type": "websocket.send", "text": text}
        async with self.speaking:
            try:
                async with asyncio.timeout(STALL):
                    await self.send(message)
            except TimeoutError:
                raise _Ended(TRY_LATER, "the notifications are not read") from None


def _closing(error: BaseException | None) -> tuple[int, str]:
    """With which code and words a socket ends; 0 where the other side has ended it."""
    if isinstance(error, _Ended):
        return error.code, str(error)
    refused = as_refusal(error, "socket") if isinstance(error, Exception) else HealixError(Category.FAULT, "")
    return CODES.get(refused.category, FAILED), refused.message[:LONGEST_REASON]
