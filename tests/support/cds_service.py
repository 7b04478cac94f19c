"""A decision support service of somebody else, and the keys of one that asks this server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass
class CdsService:
    """`services` is its list, `cards` its answer, unless `broken` is sent in its place, with `status`, once it is
    `released`. `seen` are the calls: path, token and body.
    """

    port: int = 0
    services: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    broken: bytes | None = None
    status: int = 200
    keys: str = "{}"
    released: Event = field(default_factory=Event)
    seen: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def root(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where its services are listed."""
        return f"{self.root}/cds-services"

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, bytes]:
        """What a call gets."""
        if path == "/keys":
            return 200, self.keys.encode()
        self.seen.append((path, token, json.loads(body) if body else {}))
        if method == "GET":
            return 200, json.dumps({"services": self.services}).encode()
        self.released.wait(60)
        return self.status, self.broken if self.broken is not None else json.dumps({"cards": self.cards}).encode()


@contextmanager
def cds_service() -> Iterator[CdsService]:
    """One that listens while the block lasts."""
    service = CdsService()
    service.released.set()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, said = service.answer(self.command, self.path, token, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = _take  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    service.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
