"""Who is let in, who waits, and who is refused when more comes than can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.server import admission
from healix_fhir.server.admission import Admission, Line, Terms
from healix_fhir.server.telemetry import Telemetry

FEW = Terms(at_once=1, waiting=3, each=2, seconds=60.0)
IMPATIENT = Terms(at_once=1, waiting=3, each=2, seconds=0.0)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals come at once."""
    monkeypatch.setattr(admission, "PAUSE", 0.0)


class Server:
    """An application behind admission whose requests end when they are told to."""

    def __init__(self, clinical: Terms = FEW, bulk: Terms = FEW) -> None:
        self.telemetry = Telemetry()
        self.layer = Admission(self._work, self.telemetry, clinical=clinical, bulk=bulk)
        self.layer.use(_known)
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.inputs: dict[str, asyncio.Queue[Message]] = {}

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["name"]
        if scope["method"] == "POST":
            await receive()
        self.begun.append(name)
        if scope["path"] == "/fhir/watched":
            await asyncio.wait([asyncio.ensure_future(_gone(receive))])
        await self.ends[name].wait()
        if scope["path"] in ("/fhir/stream", "/fhir/whole"):
            await send({"type": "http.response.body", "body": b"x", "more_body": scope["path"] == "/fhir/stream"})

    async def ask(
        self,
        name: str,
        caller: str = "",
        address: str = "192.0.2.1",
        *,
        path: str = "/fhir/Patient",
        method: str = "GET",
        send: Any = None,
    ) -> None:
        """Send the request `name`; returns when it is begun, waits, or is refused."""
        self.ends[name] = asyncio.Event()
        self.inputs[name] = asyncio.Queue()
        scope: Scope = {
            "type": "http",
            "name": name,
            "path": path,
            "method": method,
            "headers": [(b"authorization", caller.encode())],
            "client": (address, 1),
        }
        self.tasks[name] = asyncio.create_task(self.layer(scope, self.inputs[name].get, send))
        await settle()

    async def end(self, name: str) -> None:
        """Let it end."""
        self.ends[name].set()
        await settle()

    def refusal(self, name: str) -> Category | None:
        """Why it was refused; None where it was not."""
        task = self.tasks[name]
        error = task.exception() if task.done() else None
        if error is None:
            return None
        assert isinstance(error, HealixError)
        assert error.retry_after
        return error.category


def _known(headers: Mapping[bytes, bytes]) -> bytes | None:
    token = headers[b"authorization"]
    return None if token.startswith(b"forged") else token


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def on_a_loop(check: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous check; what it leaves under way is cancelled."""

    async def main() -> None:
        await check()

    asyncio.run(main())


def test_callers_take_turns() -> None:
    """Whoever sends many requests waits for itself; another caller is served after one of them."""

    async def check() -> None:
        server = Server(Terms(at_once=1, waiting=9, each=5, seconds=60))
        for name in ("a1", "a2", "a3", "b1"):
            await server.ask(name, name[0])
        for name in ("a1", "a2", "b1", "a3"):
            assert server.begun[-1] == name
            await server.end(name)

    on_a_loop(check)


def test_strangers_share_the_turns_of_their_address() -> None:
    """Tokens that are made up give no turns, and no room in the line, beyond those of where they come from."""

    async def check() -> None:
        server = Server(Terms(at_once=1, waiting=9, each=2, seconds=60))
        await server.ask("first")
        for name in ("forged1", "forged2", "forged3"):
            await server.ask(name, name)
        await server.ask("other", "forged4", "192.0.2.2")
        await server.ask("known", "good")
        assert [name for name in server.tasks if server.refusal(name)] == ["forged3"]
        for name in ("first", "forged1", "other", "known", "forged2"):
            assert server.begun[-1] == name
            await server.end(name)

    on_a_loop(check)


def test_the_line_is_bounded() -> None:
    """What finds no room is refused as Unavailable, too many of one caller as Busy; both are counted."""

    async def check() -> None:
        server = Server()
        for name in ("a1", "a2", "a3", "a4", "b1", "c1", "d1"):
            await server.ask(name, name[0])
        refused = {name: server.refusal(name) for name in server.tasks}
        assert {name: why for name, why in refused.items() if why} == {
            "a3": Category.BUSY,
            "a4": Category.BUSY,
            "d1": Category.UNAVAILABLE,
        }
        counted = server.telemetry.render().decode()
        assert 'healix_http_refused_total{reason="busy",work="clinical"} 2.0' in counted
        assert 'healix_http_refused_total{reason="unavailable",work="clinical"} 1.0' in counted

    on_a_loop(check)


def test_a_few_callers_do_not_keep_others_out() -> None:
    """Two addresses that fill the line have theirs sent away, the latest first, for as long as others have fewer."""

    async def check() -> None:
        server = Server(Terms(at_once=1, waiting=8, each=4, seconds=60))
        await server.ask("first")
        crowd = {f"{letter}{n}": f"192.0.2.{place}" for n in range(1, 5) for place, letter in ((1, "a"), (2, "b"))}
        for name, address in crowd.items():
            await server.ask(name, "forged", address)
        others = [f"{letter}{n}" for n in range(1, 3) for letter in "cd"]
        for name in others:
            await server.ask(name, "forged", f"192.0.2.{name[0]}")
        refused = {name for name in server.tasks if server.refusal(name)}
        assert refused == {"a3", "a4", "b3", "b4"}
        assert {server.refusal(name) for name in refused} == {Category.BUSY}
        await server.ask("c3", "forged", "192.0.2.c")
        assert server.refusal("c3") is Category.UNAVAILABLE
        for name in ("first", "a1", "b1", "c1", "d1", "a2", "b2", "c2", "d2"):
            assert server.begun[-1] == name
            await server.end(name)

    on_a_loop(check)


def test_nobody_waits_for_ever() -> None:
    """Whoever stands in line for too long is refused, and its place in the line is free."""

    async def check() -> None:
        server = Server(IMPATIENT)
        await server.ask("a1")
        for name in ("b1", "c1", "d1", "e1"):
            await server.ask(name, name)
            assert server.refusal(name) is Category.UNAVAILABLE
        await server.end("a1")
        await server.ask("f1")
        assert server.begun == ["a1", "f1"]

    on_a_loop(check)


def test_a_caller_that_leaves_keeps_no_place() -> None:
    """A request that is cancelled in line, or just when its turn comes, leaves the place to the next."""

    async def check() -> None:
        server = Server()
        for name in ("a1", "b1", "c1", "d1"):
            await server.ask(name, name)
        server.tasks["b1"].cancel()
        server.ends["a1"].set()
        await asyncio.sleep(0)
        server.tasks["c1"].cancel()
        await settle()
        assert server.begun == ["a1", "d1"]
        await server.end("d1")
        await server.ask("e1")
        assert server.begun[-1] == "e1"

    on_a_loop(check)


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/$export",
        "/fhir/Patient/$export",
        "/fhir/Group/g/$export",
        "/fhir/$import",
        "/fhir/$reindex",
        "/fhir/Observation/$stats",
        "/bulk/x/y",
    ],
)
def test_exports_keep_no_read_waiting(path: str) -> None:
    """Bulk work has places of its own: when they are taken, reads are still served, and the other way round."""

    async def check() -> None:
        server = Server()
        await server.ask("export", path=path)
        await server.ask("second", path=path)
        await server.ask("read")
        assert server.begun == ["export", "read"]

    on_a_loop(check)


def test_supervisors_are_always_answered() -> None:
    """Health and metrics take no place."""

    async def check() -> None:
        server = Server()
        await server.ask("a1")
        for path in ("/healthz", "/readyz", "/metrics"):
            await server.ask(path, path=path)
        assert server.begun == ["a1", "/healthz", "/readyz", "/metrics"]

    on_a_loop(check)


def test_a_slow_sender_holds_no_place() -> None:
    """While the body of a request is awaited others are served; the request goes on when it has come."""

    async def check() -> None:
        server = Server()
        await server.ask("slow", method="POST")
        await server.ask("read")
        assert server.begun == ["read"]
        await server.inputs["slow"].put({"type": "http.request", "body": b"x"})
        await settle()
        assert server.begun == ["read", "slow"]
        await server.ask("next")
        await server.end("slow")
        assert server.begun == ["read", "slow"]  # two were under way: one has to end first
        await server.end("read")
        assert server.begun == ["read", "slow", "next"]

    on_a_loop(check)


@pytest.mark.parametrize("path", ["/fhir/stream", "/fhir/whole"])
def test_a_slow_reader_holds_no_place(path: str) -> None:
    """While a part of an answer waits for its reader others are served; also while the last part does."""

    async def check() -> None:
        server, read = Server(), asyncio.Event()

        async def send(_: Message) -> None:
            await read.wait()

        await server.ask("stream", path=path, send=send)
        await server.end("stream")
        await server.ask("read")
        assert server.begun == ["stream", "read"]
        read.set()
        await settle()
        assert server.tasks["stream"].done()

    on_a_loop(check)


def test_who_watches_for_the_caller_to_go_keeps_a_place() -> None:
    """As answers that come in pieces do, at work meanwhile; given up twice, two would be let in for one."""

    async def check() -> None:
        server = Server()
        await server.ask("watching", path="/fhir/watched")
        await server.inputs["watching"].put({"type": "http.request", "body": b""})
        await settle()
        await server.ask("read")
        assert server.begun == ["watching"]
        await server.inputs["watching"].put({"type": "http.disconnect"})
        await server.end("watching")
        assert server.begun == ["watching", "read"]

    on_a_loop(check)


def test_bodies_are_held_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the bodies held are too much for the memory the next is refused; when one is done there is room again."""
    monkeypatch.setattr(admission, "HELD", 10)

    async def check() -> None:
        server = Server(Terms(at_once=9, waiting=0, each=0, seconds=0))
        for name in ("a", "b"):
            await server.ask(name, method="POST")
            await server.inputs[name].put({"type": "http.request", "body": b"12345678"})
            await settle()
        assert (server.begun, server.refusal("b")) == (["a"], Category.UNAVAILABLE)
        monkeypatch.setattr(admission, "HELD", 1)
        await server.ask("empty", method="POST")
        await server.inputs["empty"].put({"type": "http.request", "body": b""})
        await settle()
        assert server.begun == ["a", "empty"]
        await server.end("empty")
        monkeypatch.setattr(admission, "HELD", 10)
        await server.end("a")
        await server.ask("c", method="POST")
        await server.inputs["c"].put({"type": "http.request", "body": b"123456789012"})
        await settle()
        assert server.begun == ["a", "empty", "c"]

    on_a_loop(check)


def test_a_place_that_comes_as_its_waiter_leaves_goes_on() -> None:
    """A place that is given up in the moment in which the next in line goes away is the one after's."""

    async def check() -> None:
        line = Line(FEW)
        await line.enter(lambda: "a")
        waiting = [asyncio.create_task(line.enter(partial(str, name))) for name in ("b", "c")]
        await settle()
        waiting[0].cancel()
        line.leave()
        await settle()
        assert [waiter.cancelled() for waiter in waiting] == [True, False]
        assert waiting[1].done()

    on_a_loop(check)
