"""The channel over which a subscriber is told of events: a web socket.

The token comes in the Authorization header or, from browsers, which cannot send one, as a subprotocol
`healix.bearer.TOKEN` beside `healix.events`; never in the address. It is looked at again whenever one is revoked,
before each event and every `PULSE` seconds; the channel ends with it. Events are read from the database when there are
some, a few at a time: nothing waits in memory for a slow reader, who is cut off after `STALL` seconds and hears of
the rest when it comes back.

Spec: PS3.18 8.10.4, 8.10.5 and 11.13 (2024d); RFC 6455
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from dicomweb.api.edge import Edge, refusal
from dicomweb.workitem.announce import CHANNEL
from dicomweb.workitem.delivery import opened, pending, told
from dicomweb.workitem.subscribers import title
from healix_fhir.kernel.connections import Caller, counted
from healix_fhir.kernel.database import aat_once, atransaction, one
from healix_fhir.kernel.errors import Category, HealixError, forbidden
from healix_fhir.kernel.ids import request_id
from healix_fhir.kernel.refusal import as_refusal
from healix_fhir.kernel.waking import Waking, woken
from smart_auth.access import AccessContext
from smart_auth.denial import Denial

PROTOCOL = "healix.events"
BEARER = "healix.bearer."
PULSE = 10.0
STALL = 30.0
MOST, MOST_OF_ONE = 1000, 20
"""Channels of one web process, and of one app and person in it."""
UNHEARD = "events of the worklist are not heard; channels look for them now and then"

UNEXPECTED, POLICY, FAILED, TRY_LATER = 1003, 1008, 1011, 1013
"""Close codes. Spec: RFC 6455 7.4.1"""
CODES: Mapping[Category, int] = {
    Category.UNAUTHENTICATED: POLICY,
    Category.FORBIDDEN: POLICY,
    Category.UNAVAILABLE: TRY_LATER,
    Category.BUSY: TRY_LATER,
}
LONGEST_REASON = 100
"""Characters; a close frame holds 123 bytes of them."""

Watch = Callable[[Callable[[], None]], Callable[[], None]]
"""Calls what it is given whenever a token may have ended, until what it returns is called."""


def waking(url: str) -> Waking:
    """What wakes the channels of one web process, by their AE titles."""
    return Waking(url, CHANNEL, separator="\\", unheard=UNHEARD)


@dataclass
class Channels:
    """The channels of one web process. `allows` tells whether scripts of an origin may open one."""

    waking: Waking
    watch: Watch
    allows: Callable[[str], Awaitable[bool]]
    root: str
    open: Counter[Caller] = field(default_factory=Counter)

    def counted(self, access: AccessContext) -> AbstractContextManager[None]:
        """Count a channel of a caller while the block runs. Raises Busy where there are too many."""
        who = access.origin.client, access.origin.account
        return counted(self.open, who, most=MOST, most_of_one=MOST_OF_ONE, kind="channels")


class _Ended(Exception):  # noqa: N818 - it is no error, it ends a channel
    """The channel is over; `code` tells the other side why."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Channel:
    """The address of channels, as an ASGI application."""

    edge: Edge
    channels: Channels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        number = request_id()
        connection = HTTPConnection(scope)
        headers = with_token(dict(scope["headers"]), scope["subprotocols"])
        await receive()
        access = None
        try:
            access = await self._access(scope, headers, number)
            await self._check_origin(headers.get(b"origin"))
            with self.channels.counted(access):
                aet = title(connection.path_params["aetitle"])
                seen = await atransaction(self.edge.pool, lambda: opened(access, aet))
                chosen = {"subprotocol": PROTOCOL} if PROTOCOL in scope["subprotocols"] else {}
                await send({"type": "websocket.accept", **chosen})
                again = lambda: self._access(scope, headers, number)  # noqa: E731
                await _Session(self.edge, self.channels, aet, again, send).run(access, seen, receive)
        except Exception as error:  # noqa: BLE001 - whatever fails before the socket is open is answered
            refused = as_refusal(error, number)
            if access is not None and refused.category is Category.FORBIDDEN:
                await self.edge.gate.denials.denied(access.origin, (Denial("E", "workitem-channel"),))
            await _refuse(send, refused, headers)

    async def _access(self, scope: Scope, headers: Mapping[bytes, bytes], number: str) -> AccessContext:
        client = scope.get("client")
        return await self.edge.gate.access(headers, client[0] if client else None, number)

    async def _check_origin(self, origin: bytes | None) -> None:
        """Only scripts of this server and of registered apps open channels. Spec: RFC 6455 10.2"""
        if origin is None or origin.decode("latin-1") == self.channels.root:
            return
        if not await self.channels.allows(origin.decode("latin-1")):
            raise forbidden("scripts of this origin may not open a channel")


async def _refuse(send: Send, error: HealixError, headers: Mapping[bytes, bytes]) -> None:
    answer = refusal(error, headers, "")
    await send(
        {"type": "websocket.http.response.start", "status": answer.status_code, "headers": list(answer.raw_headers)}
    )
    await send({"type": "websocket.http.response.body", "body": bytes(answer.body)})


def with_token(headers: dict[bytes, bytes], offered: list[str]) -> dict[bytes, bytes]:
    """The headers, with the token that a browser offers as a subprotocol where there is no other."""
    tokens = [word.removeprefix(BEARER) for word in offered if word.startswith(BEARER)]
    if tokens and b"authorization" not in headers:
        headers[b"authorization"] = b"Bearer " + tokens[0].encode("latin-1", "replace")
    return headers


@dataclass(slots=True)
class _Session:
    """One open channel. `access` of `again` is looked up anew, and raises when the token has ended."""

    edge: Edge
    channels: Channels
    aet: str
    again: Callable[[], Awaitable[AccessContext]]
    send: Send
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, access: AccessContext, seen: int, receive: Receive) -> None:
        """Tell of events until one of the two sides has enough."""
        unwatch = self.channels.watch(self.wake.set)
        heard = asyncio.create_task(_hear(receive))
        try:
            with self.channels.waking.waking(self.wake, (self.aet,)):
                telling = asyncio.create_task(self._tell(access, seen))
                await asyncio.wait({heard, telling}, return_when=asyncio.FIRST_COMPLETED)
                done = heard if heard.done() else telling
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                ended = done.exception()
        finally:
            unwatch()
            heard.cancel()
            await asyncio.gather(heard, return_exceptions=True)
        code, reason = _closing(ended)
        if code:
            with suppress(OSError):  # the other side is gone
                await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def _tell(self, access: AccessContext, seen: int) -> None:
        while True:
            self.wake.clear()
            found = await atransaction(self.edge.pool, partial(pending, access, self.aet, seen))
            for event in found:
                await self._send({"type": "websocket.send", "text": event.report.decode()})
                seen = event.seq
            if found:
                await aat_once(self.edge.pool, one(told(self.aet, seen)))
            else:
                await woken(self.wake, PULSE)
            access = await self.again()

    async def _send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(STALL):
                await self.send(message)
        except TimeoutError:
            raise _Ended(TRY_LATER, "the reports are not read") from None


def _closing(error: BaseException | None) -> tuple[int, str]:
    """With which code and words a channel ends; 0 where the other side has ended it."""
    if isinstance(error, _Ended):
        return error.code, str(error)
    refused = as_refusal(error, "channel") if isinstance(error, Exception) else HealixError(Category.FAULT, "")
    return CODES.get(refused.category, FAILED), refused.message[:LONGEST_REASON]


async def _hear(receive: Receive) -> None:
    """Wait until the other side goes; it has nothing to say."""
    message = await receive()
    if message["type"] == "websocket.receive":
        raise _Ended(UNEXPECTED, "this channel tells, and takes nothing")
    raise _Ended(0)
