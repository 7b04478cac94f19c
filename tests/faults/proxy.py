"""A proxy that passes requests on and, when it is told to, keeps the answers: what was done is never acknowledged."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

DEAF = 0.15
"""Seconds for which answers are kept before the connections are cut."""
PIECE = 1 << 16


class Proxy:
    """Passes what comes to `listener` on to what `reach` connects to, until it is closed."""

    def __init__(self, listener: socket.socket, reach: Callable[[], socket.socket]) -> None:
        self._listener, self._reach = listener, reach
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._keeps = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> int:
        """Keep all answers for a while, then cut every connection; how many there were."""
        self._keeps.set()
        time.sleep(DEAF)
        with self._lock:  # or one that comes now would lose an answer and not be cut
            count = self._drop()
            self._keeps.clear()
        return count

    def close(self) -> None:
        """End."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        with self._lock:
            self._drop()

    def _drop(self) -> int:
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        return len(self._pairs)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._reach()
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, is_answer, pair), daemon=True).start()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        is_answer: bool,
        pair: tuple[socket.socket, socket.socket],
    ) -> None:
        """Pass bytes on in one direction; whoever of the two ends last closes both sockets."""
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                if not (is_answer and self._keeps.is_set()):
                    sink.sendall(piece)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            is_last = pair not in self._pairs
            self._pairs.discard(pair)
        if is_last:
            for end in pair:
                end.close()


def before_port(port: int) -> tuple[Proxy, int]:
    """A proxy before a port of this machine, and its own port."""
    listener = socket.create_server(("127.0.0.1", 0))
    return Proxy(listener, lambda: socket.create_connection(("127.0.0.1", port))), int(listener.getsockname()[1])


def before_database(directory: Path, sockets: Path) -> Proxy:
    """A proxy before the Unix socket of PostgreSQL in `sockets`, with its own in `directory`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / ".s.PGSQL.5432"))
    listener.listen(128)

    def reach() -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(sockets / ".s.PGSQL.5432"))
        except OSError:
            server.close()
            raise
        return server

    return Proxy(listener, reach)
