"""Server-sent events: the events of a Subscription for pages and apps that follow it.

`GET /subscriptions/ID/events` with a token, or with the session of the person who wrote the Subscription. Each event
has its number as `id` and a notification as `data`; with `Last-Event-ID` the stream goes on after that number. It ends
with the access; when the server shuts down, so that the other side comes back elsewhere.

Spec: HTML Living Standard, html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from healix_fhir.api.call import Headers, header_map
from healix_fhir.api.live.process import PULSE, STALL, Live
from healix_fhir.api.outcome import refusal
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.kernel.waking import woken
from healix_fhir.store.read import missing
from healix_fhir.subscription.following import Heard, Look, by_access, by_owner, hear
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.known import TYPE, Known
from healix_fhir.subscription.notification import notification
from smart_auth.access import AccessContext
from smart_auth.denial import Denial
from smart_auth.oauth.sessions import signed_in

ROUTE = "subscriptions.events"
LEAVE = "healix.leave"
"""The key in an ASGI scope of what is called when the server shuts down while a request is answered."""
DIGITS = 18
AGAIN = 2000
"""Milliseconds after which a reader who was cut off comes back."""
HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
Anew = Callable[[], Awaitable[Look]]
"""How a follower looks; it raises once the access has ended."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The address of the streams, as an ASGI application."""

    live: Live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        scope["healix.route"] = ROUTE
        headers, number = header_map(scope["headers"]), scope.get("healix.request", "")
        request = Request(scope, receive)
        access: AccessContext | None = None
        id_ = request.path_params["id"]
        try:
            _check_method(scope["method"])
            address = request.client.host if request.client else None
            cookie = request.cookies.get(self.live.cookie)
            if b"authorization" not in headers and cookie:
                who: tuple[str | None, str | None] = (None, await self._person(cookie, id_))
                anew: Anew = partial(self._by_session, cookie, id_)
            else:
                access = await self.live.gate.access(headers, address, number)
                who = access.origin.client, access.origin.account
                token = access.origin.token
                assert token is not None
                anew = partial(self._by_token, token, address, number, id_)
            after = _after(headers)
            with self.live.counted(who):
                found = await self._found(anew, id_)
                await _Following(self.live, anew, send).run(scope, receive, found.events if after is None else after)
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            refused = as_refusal(error, number)
            if access is not None and refused.category in (Category.FORBIDDEN, Category.NOT_FOUND):
                entity = f"{TYPE}/{id_}" if is_logical_id(id_) else TYPE
                await self.live.gate.denials.denied(access.origin, (Denial("E", "notification", entity),))
            answer = refusal(refused, headers, "GET")
            head = [(b"content-type", b"application/fhir+json"), (b"cache-control", b"no-store"), *answer.headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": head})
            await send({"type": "http.response.body", "body": answer.body})

    async def _person(self, cookie: str, id_: str) -> str:
        username = await atransaction(self.live.pool, lambda: signed_in(cookie))
        if username is None:
            raise missing(TYPE, id_)
        return username

    async def _by_session(self, cookie: str, id_: str) -> Look:
        username = await self._person(cookie, id_)
        return partial(by_owner, username, id_, (self.live.base,))

    async def _by_token(self, token: bytes, address: str | None, number: str, id_: str) -> Look:
        return partial(by_access, await self.live.again(token, address, number), id_)

    async def _found(self, anew: Anew, id_: str) -> Known:
        found = await atransaction(self.live.pool, await anew())
        if found is None:
            raise missing(TYPE, id_)
        return found[1]


def _check_method(method: str) -> None:
    if method != "GET":
        raise HealixError(Category.NOT_ALLOWED, f"{method[:16]} is not possible at this address")


def _after(headers: Headers) -> int | None:
    """After which number the reader goes on."""
    last = headers.get(b"last-event-id", b"").decode("latin-1").strip()
    if not last:
        return None
    if not (last.isascii() and last.isdecimal() and len(last) <= DIGITS):
        raise invalid("Last-Event-ID is the number of an event", code="value")
    return int(last)


@dataclass(slots=True)
class _Following:
    """One open stream."""

    live: Live
    anew: Anew
    send: Send
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False

    async def run(self, scope: Scope, receive: Receive, after: int) -> None:
        """Tell of events after a number until the other side, the access or the server goes."""
        scope[LEAVE] = self._leave
        await self.send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        await self._say(f"retry: {AGAIN}\n\n")
        unwatch = self.live.gate.watch(self.wake.set)
        gone = asyncio.create_task(_gone(receive))
        gone.add_done_callback(lambda _: self._leave())
        try:
            with self.live.waking.waking(self.wake, {scope["path_params"]["id"]}), suppress(HealixError, TimeoutError):
                await self._tell(after)
        finally:
            unwatch()
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        await self.send({"type": "http.response.body", "body": b""})

    def _leave(self) -> None:
        self.leaving = True
        self.wake.set()

    async def _tell(self, after: int) -> None:
        spoke = time.monotonic()
        while not self.leaving:
            self.wake.clear()
            (heard,) = await atransaction(self.live.pool, partial(hear, [(await self.anew(), after)]))
            if heard.one is None:
                return
            if heard.events:
                after = heard.events[-1].number
                await self._say(_event(heard, heard.one, self.live.base))
                spoke = time.monotonic()
                continue
            if time.monotonic() - spoke >= PULSE:
                await self._say(":\n\n")
                spoke = time.monotonic()
            await woken(self.wake, PULSE)

    async def _say(self, text: str) -> None:
        """Send a part. Raises TimeoutError where the other side takes nothing."""
        message = {"type": "http.response.body", "body": text.encode(), "more_body": True}
        async with asyncio.timeout(STALL):
            await self.send(message)


def _event(heard: Heard, one: Known, base: str) -> str:
    """Several events in one notification; its number is that of the last."""
    content = heard.content if heard.content.is_bundled else Content.FULL if heard.content.shows else Content.EMPTY
    last = heard.events[-1].number
    body = notification(replace(one.head(base), total=last), Kind.EVENTS, content, heard.events)
    return f"id: {last}\nevent: notification\ndata: {body.decode()}\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
