"""Requests find their room by the first segment of the path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from healix_fhir.server.rooms import Rooms
from tests.support.asgi import request


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
