"""Requests find their room by the first segment of the path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from dicomweb.api.edge import Edge
from dicomweb.api.routes import services
from healix_fhir.server.rooms import Rooms
from tests.support.asgi import FakeGate, request


@asynccontextmanager
async def _nothing(_: Router) -> AsyncIterator[None]:
    yield


def _route(path: str) -> Route:
    async def answer(asked: Request) -> Response:
        return PlainTextResponse(f"{path} {dict(asked.path_params)}")

    return Route(path, answer)


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/fhir/Patient", "/fhir/{type} {'type': 'Patient'}"),
        ("/fhir", "/fhir {}"),
        ("/", "/ {}"),
        ("/dicomweb/studies", "/dicomweb/studies {}"),
        ("/other/thing", "/{any}/thing {'any': 'other'}"),
        ("/fhir/a/thing", None),
        ("/fhir/thing", "/fhir/{type} {'type': 'thing'}"),
        ("/dicomweb/thing", "/{any}/thing {'any': 'dicomweb'}"),
        ("/dicomweb", None),
        ("/%7Bany%7D/thing", "/{any}/thing {'any': '{any}'}"),
        ("//fhir/Patient", None),
    ],
)
def test_a_request_is_answered_by_the_first_route_that_fits(path: str, answered: str | None) -> None:
    """As with one router for all, but that a room's own routes come before those that begin with anything."""
    rooms = Rooms(_nothing)
    rooms.use(map(_route, ["/{any}/thing", "/fhir/{type}", "/fhir", "/", "/dicomweb/studies"]))
    reply = request(rooms, "GET", path)
    assert (reply.body.decode() if reply.status == 200 else None) == answered


class Everything:
    """An application that answers every method with the name of its route and the segments of the path."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        await PlainTextResponse(f"{self._name} {scope['path_params']}")(scope, receive, send)


@pytest.mark.parametrize("method", ["GET", "PROPFIND"])
@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/a/one", "/a/{x} {'x': 'one'}"),
        ("/a/one/", "/a/{x}/ {'x': 'one'}"),
        ("/a/one/two", "/a/{x}/{y} {'x': 'one', 'y': 'two'}"),
        ("/a/one/two/three", "/a/{rest:path} {'rest': 'one/two/three'}"),
        ("/a//two", "/a/{rest:path} {'rest': '/two'}"),
        ("/b/1", "/b/{n:int} {'n': 1}"),
        ("/b/x", "/b/{rest:path} {'rest': 'x'}"),
        ("/c/d/e", "/c/{rest:path} {'rest': 'd/e'}"),
    ],
)
def test_addresses_that_take_every_method_are_found_in_the_same_order(path: str, answered: str, method: str) -> None:
    """What is called without Starlette's routes is what they would call, with the same parameters."""
    paths = ["/a/{x}", "/a/{x}/", "/a/{x}/{y}", "/a/{rest:path}", "/b/{n:int}", "/b/{rest:path}"]
    routes = [Route(one, Everything(one)) for one in [*paths, "/c/{rest:path}", "/c/{x}/{y}"]]
    rooms = Rooms(_nothing)
    rooms.use(routes)
    assert request(rooms, method, path).body.decode() == answered
    assert request(Router(routes, redirect_slashes=False), method, path).body.decode() == answered


@pytest.mark.parametrize(
    "path",
    [
        "/dicomweb/studies",
        "/dicomweb/studies/1.2/metadata",
        "/dicomweb/studies/1.2/series/1.3/metadata",
        "/dicomweb/studies/1.2/series/1.3/instances/1.4/rendered",
        "/dicomweb/studies/1.2/series/1.3/instances/1.4/frames/1",
        "/dicomweb/wado",
    ],
)
def test_addresses_of_images_are_called_without_a_router(path: str) -> None:
    """No route that takes any path stands before those that viewers ask all the time."""
    nothing = cast("Any", None)
    edge = Edge(nothing, nothing, nothing, FakeGate(), "https://healix.test/dicomweb", 1, nothing, nothing, nothing)
    rooms = Rooms(_nothing)
    rooms.use(services(edge))
    scope: Scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(rooms(scope, receive, send))
    assert sent[0]["status"] == 401
    assert "endpoint" not in scope, "Starlette's routes were asked"
