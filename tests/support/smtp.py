"""A mail server that keeps what it is given, refuses whom it is told to, and can be away."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class MailServer(socketserver.ThreadingTCPServer):
    """`taken` are the messages in order; `refused` tells with which code a recipient is."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.taken: list[bytes] = []
        self.refused: dict[str, int] = {}

    @property
    def url(self) -> str:
        """The value of HEALIX_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        """Speak just enough SMTP."""
        self._say("220 test")
        while line := self.rfile.readline().decode("ascii").strip():
            verb = line.partition(" ")[0].upper()
            if verb == "RCPT":
                code = self.server.refused.get(line[line.index("<") + 1 : line.index(">")])
                self._say(f"{code} no" if code else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                self.server.taken.append(self._message())
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server on a port of its own."""
    with MailServer() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
