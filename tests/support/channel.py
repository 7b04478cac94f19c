"""A client of the channel that tells of workitems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.live_server import LiveServer

WAIT = 60.0
EVENTS = {1: "state", 2: "cancel requested", 3: "progress", 4: "server status", 5: "assigned"}


def address(server: LiveServer, aet: str) -> str:
    """The address of a title's channel."""
    return f"ws{server.url.removeprefix('http')}/dicomweb/subscribers/{aet}"


@contextmanager
def channel(server: LiveServer, token: str, aet: str = "WATCH", **options: Any) -> Iterator[ClientConnection]:
    """An open channel; the token goes as a header."""
    headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
    with connect(address(server, aet), additional_headers=headers, open_timeout=WAIT, **options) as socket:
        yield socket


def offered(token: str) -> list[Subprotocol]:
    """The subprotocols by which a browser brings its token."""
    return [Subprotocol("healix.events"), Subprotocol(f"healix.bearer.{token}")]


def heard(socket: ClientConnection, timeout: float = WAIT) -> dict[str, Any]:
    """The next report, as it came."""
    return dict(json.loads(socket.recv(timeout)))


def short(report: dict[str, Any]) -> tuple[str, str, str | None]:
    """A report in short: which event, of which item, and its state where it tells one."""
    state = report.get("00741000", {}).get("Value", [None])[0]
    return EVENTS[report["00001002"]["Value"][0]], report["00001000"]["Value"][0], state
