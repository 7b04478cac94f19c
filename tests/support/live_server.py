"""The whole web application behind a real socket, in a thread of the test."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from starlette.types import ASGIApp

from healix_fhir.kernel.database import run
from healix_fhir.kernel.settings import Settings
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.server.app import create_app
from healix_fhir.server.deadlines import DeadlineProtocol
from healix_fhir.server.processes import listen
from healix_fhir.server.tls import https_context
from healix_fhir.server.web import WEB_SOCKETS
from smart_auth.store import create_token
from tests.support.plain import NO_TLS

STARTED = 60.0


@dataclass(frozen=True)
class LiveServer:
    """A running server: `url` is its root without a slash at the end."""

    url: str
    settings: Settings

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.settings.host, self.settings.port

    def token(self, scope: str, **arguments: Any) -> str:
        """A new access token; `arguments` as of `smart_auth.store.create_token`."""
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            arguments.setdefault("conditions", ScopeQueries((self.settings.fhir_base,)))
            return run(connection, create_token(scope, **arguments))

    def client(self, scope: str | None = None, **arguments: Any) -> httpx.Client:
        """An HTTP client for the server's root, with a token of `scope` where one is given."""
        headers = {"Authorization": f"Bearer {self.token(scope, **arguments)}"} if scope else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=NO_TLS)


@contextmanager
def live_server(database_url: str, data_dir: Path, **settings: Any) -> Iterator[LiveServer]:
    """Serve a migrated database on a free port until the block ends; `settings` override the defaults."""
    with listening() as listener:
        port = listener.getsockname()[1]
        chosen = Settings(data_dir=data_dir, database_url=database_url, host="127.0.0.1", port=port, **settings)
        with serving(create_app(chosen), listener, https_context(chosen)):
            yield LiveServer(f"{chosen.scheme}://127.0.0.1:{port}", chosen)


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A listening socket on a free port."""
    listener = listen("127.0.0.1", 0)
    try:
        yield listener
    finally:
        listener.close()


class PromptServer(uvicorn.Server):
    """A server that ends as soon as it is told to.

    uvicorn looks ten times a second whether it is to end, and waits as long for its connections: a fifth of a second of
    nothing in each of a thousand tests.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._running: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """End; called in another thread."""
        self.should_exit = True
        if self._running:
            with suppress(RuntimeError):  # it has ended by itself
                self._running.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Until it is told to end."""
        self._running, ticks = asyncio.get_running_loop(), 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End connections and tasks, then the application."""
        for closing in (*self.servers, *(sockets or ())):
            closing.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(int(STARTED / 0.002)):
            if not self.server_state.connections and not self.server_state.tasks:
                break
            await asyncio.sleep(0.002)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Serve an application as a web worker does, until the block ends."""
    config = uvicorn.Config(
        app, http=DeadlineProtocol, **WEB_SOCKETS, log_config=None, access_log=False, server_header=False
    )
    config.load()
    config.ssl = tls
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="live-server")
    thread.start()
    try:
        waited = threading.Event()
        for _ in range(int(STARTED / 0.005)):
            if server.started or not thread.is_alive():
                break
            waited.wait(0.005)
        assert server.started, "the server did not start"
        yield
    finally:
        server.end()
        thread.join(STARTED)
