"""Connections that are kept end when the machine at their other end is gone: the system watches their lines."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from healix_fhir.kernel.database import WATCHED, open_async_pool, open_pool
from tests.faults.proxy import Proxy

NAMES = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
OPTIONS = {
    name: getattr(socket, option) for name, option in zip(WATCHED, NAMES, strict=True) if hasattr(socket, option)
}
"""Those that this system has: macOS has no timeout for what was sent."""
WANTED = {name: WATCHED[name] for name in OPTIONS}


@pytest.fixture
def over_tcp(database_url: str) -> Iterator[str]:
    """The test's database at an address."""
    given = conninfo_to_dict(database_url)
    path = str(Path(str(given["host"]), f".s.PGSQL.{given.get('port', 5432)}"))

    def reach() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        return server

    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Proxy(listener, reach)
    yield f"postgresql://{given['user']}@127.0.0.1:{listener.getsockname()[1]}/{given['dbname']}?sslmode=disable"
    proxy.close()


def options(descriptor: int) -> dict[str, int]:
    """How the system watches the line of a socket."""
    with socket.socket(fileno=os.dup(descriptor)) as line:
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return {name: line.getsockopt(socket.IPPROTO_TCP, option) for name, option in OPTIONS.items()}


def test_pools_watch_their_lines(over_tcp: str) -> None:
    """Those of threads and those of event loops."""
    with open_pool(over_tcp, size=1) as pool, pool.connection() as connection:
        assert options(connection.fileno()) == WANTED

    async def asked() -> dict[str, int]:
        async with await open_async_pool(over_tcp, size=1) as pool, pool.connection() as connection:
            return options(connection.fileno())

    assert asyncio.run(asked()) == WANTED
