"""A line between two servers that is cut: a TCP proxy that forwards so many bytes and no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65536


@dataclass
class Cut:
    """How many bytes of a connection get through, there and back; None: all of them."""

    there: int | None = None
    back: int | None = None


@dataclass
class Proxy:
    """A proxy on a free port; `cuts` holds how the next connections are cut, the others are not. `down`: it refuses
    who calls. `connections` counts them.
    """

    target: tuple[str, int]
    url: str = ""
    cuts: list[Cut] = field(default_factory=list)
    down: bool = False
    connections: int = 0


@contextmanager
def cutting(host: str, port: int) -> Iterator[Proxy]:
    """Forward to a server until the block ends."""
    proxy = Proxy((host, port))
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=_accept, args=(listener, proxy), name="cutting")
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _accept(listener: socket.socket, proxy: Proxy) -> None:
    threads = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            proxy.connections += 1
            if proxy.down:
                client.close()
                continue
            cut = proxy.cuts.pop(0) if proxy.cuts else Cut()
            thread = threading.Thread(target=_carry, args=(client, proxy.target, cut), name="cutting-line")
            thread.start()
            threads.append(thread)
    for thread in threads:
        thread.join()


def _carry(client: socket.socket, target: tuple[str, int], cut: Cut) -> None:
    with client, socket.create_connection(target) as server:

        def end() -> None:
            for one in (client, server):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

        back = threading.Thread(target=_pump, args=(server, client, cut.back, end))
        back.start()
        _pump(client, server, cut.there, end)
        back.join()


def _pump(source: socket.socket, sink: socket.socket, limit: int | None, end: Callable[[], None]) -> None:
    left = limit
    with suppress(OSError):
        while data := source.recv(CHUNK):
            kept = data if left is None else data[:left]
            sink.sendall(kept)
            if left is not None and (left := left - len(kept)) <= 0:
                break
    end()
