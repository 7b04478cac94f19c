"""Routes by the first segment of their paths and the number of segments, so that a request is tried against few.

Each route that is tried costs a request 0.6 µs, and there are more than a hundred. What Starlette's router and routes
do around that cost a create 5 % of its CPU time; so the addresses that answer every method by themselves, as those of
FHIR do, are called from here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from starlette.convertors import PathConvertor, StringConvertor
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

ANY = ""
"""The room of routes that may begin with anything."""


class Direct(NamedTuple):
    """The form of a path, and the application that answers there, whatever the method."""

    form: re.Pattern[str]
    app: ASGIApp


class Room(NamedTuple):
    """Routes in the order in which they are tried: first the `direct` ones of paths with so many segments, then all."""

    direct: dict[int, tuple[Direct, ...]]
    router: Router


NOWHERE = Room({}, Router(redirect_slashes=False))


class Rooms(Router):
    """A router of routers: in each, the routes are tried in the order in which they were given."""

    def __init__(self, lifespan: Lifespan[Router]) -> None:
        super().__init__(lifespan=lifespan, redirect_slashes=False)
        self._rooms = {ANY: NOWHERE}

    def use(self, routes: Iterable[BaseRoute]) -> None:
        """Answer by these routes from now on."""
        sorted_: defaultdict[str, list[BaseRoute]] = defaultdict(list)
        for route in routes:
            segments = route.path.split("/") if isinstance(route, Route | WebSocketRoute) else ()
            sorted_[_first(segments)].append(route)
        free = sorted_.pop(ANY, [])
        self._rooms = {first: _room([*found, *free]) for first, found in sorted_.items()} | {ANY: _room(free)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        path = scope["path"]
        segments = path.split("/")
        room = self._rooms.get(_first(segments)) or self._rooms[ANY]
        if scope["type"] == "http":
            for form, app in room.direct.get(len(segments), ()):
                found = form.match(path)
                if found is not None:
                    scope["path_params"] = found.groupdict()
                    await app(scope, receive, send)
                    return
        await room.router.app(scope, receive, send)


def _first(segments: Sequence[str]) -> str:
    """The first segment of a path; that of a route which is itself a parameter is `ANY`."""
    first = segments[1] if len(segments) > 1 and not segments[0] else ANY
    return ANY if "{" in first else first


def _room(routes: list[BaseRoute]) -> Room:
    lengths = {len(route.path.split("/")) for route in routes if isinstance(route, Route)}
    return Room(
        {length: tuple(_direct(_of_length(routes, length))) for length in lengths},
        Router(routes, redirect_slashes=False),
    )


def _of_length(routes: Iterable[BaseRoute], length: int) -> Iterator[BaseRoute]:
    """The routes that paths of so many segments may fit."""
    for route in routes:
        if not isinstance(route, Route) or len(route.path.split("/")) == length or _is_open(route):
            yield route


def _direct(routes: Iterable[BaseRoute]) -> Iterator[Direct]:
    """Those that stand before all others, take every method, and hand their segments on as they are."""
    for route in takewhile(_is_plain, routes):
        assert isinstance(route, Route)
        yield Direct(route.path_regex, route.app)


def _is_open(route: Route) -> bool:
    """Whether a path of any length may fit."""
    return any(isinstance(convertor, PathConvertor) for convertor in route.param_convertors.values())


def _is_plain(route: BaseRoute) -> bool:
    if not isinstance(route, Route) or route.methods is not None:
        return False
    return all(isinstance(convertor, StringConvertor) for convertor in route.param_convertors.values())
