"""A proxy before several nodes, as an operator has it: connections in turn, to those that answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

CHUNK = 65536


@contextmanager
def balancing(port: int, ports: Sequence[int]) -> Iterator[str]:
    """Forward connections at `port` of this machine to the next of `ports` that takes them; the proxy's URL."""
    loop, began = asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=_run, args=(loop, began, port, tuple(ports)), name="balancing")
    thread.start()
    began.wait()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, began: threading.Event, port: int, ports: tuple[int, ...]) -> None:
    turn = 0
    ends: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        turn += 1
        ends.append(writer)
        for number in range(len(ports)):
            with suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", ports[(turn + number) % len(ports)])
                ends.append(there[1])
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
                return
        writer.close()

    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_server(carry, "127.0.0.1", port))
    began.set()
    loop.run_forever()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    loop.run_until_complete(asyncio.sleep(0.01))  # what was accepted just before begins, or it would never be closed
    server.close()
    while left := asyncio.all_tasks(loop):
        for end in ends:
            end.transport.abort()
        loop.run_until_complete(asyncio.wait(left, timeout=0.1))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
