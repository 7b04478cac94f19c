"""A server of files for what fetches from others, and what can go wrong with one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """Bodies by path; `cut` ones end early, `redirected` ones are elsewhere. `asked` are the paths asked for."""

    url: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    redirected: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def files_server() -> Iterator[Files]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            body = files.bodies.get(self.path)
            status = 302 if self.path in files.redirected else 404 if body is None else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", files.redirected[self.path])
            body = body or b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path in files.cut else body)

        def log_message(self, *_: object) -> None:
            """Nothing is said of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files = Files(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, name="files")
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
