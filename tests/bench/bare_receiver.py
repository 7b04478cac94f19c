"""The least that could store images: a Starlette application that writes what comes into files of a given size, makes
each durable, and parses nothing.

`python -m tests.bench.bare_receiver PORT FOLDER SIZE` serves it under the same uvicorn as two web workers of Healix.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER, SIZE = "BARE_RECEIVER", "BARE_RECEIVER_SIZE"
BUFFER = 1 << 20


async def alive(_: Request) -> Response:
    """200."""
    return Response()


class Files:
    """Takes bytes, and has a file of each `SIZE` of them on the disk."""

    def __init__(self) -> None:
        self._size, self._file = int(os.environ[SIZE]), -1
        self._room = 0

    def write(self, chunks: list[bytes]) -> None:
        """Some bytes more."""
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                if not self._room:
                    self.close()
                    name = Path(os.environ[FOLDER]) / uuid.uuid4().hex
                    self._file = os.open(name, os.O_CREAT | os.O_WRONLY)
                    self._room = self._size
                taken = os.write(self._file, rest[: self._room])
                rest, self._room = rest[taken:], self._room - taken

    def close(self) -> None:
        """Make the last file durable."""
        if self._file >= 0:
            os.fdatasync(self._file)
            os.close(self._file)


async def receive(request: Request) -> Response:
    """Everything that is sent."""
    files, pending, held = Files(), list[bytes](), 0
    async for chunk in request.stream():
        pending.append(chunk)
        held += len(chunk)
        if held >= BUFFER:
            await asyncio.to_thread(files.write, pending)
            pending, held = [], 0
    await asyncio.to_thread(files.write, pending)
    await asyncio.to_thread(files.close)
    return Response(b"{}", media_type="application/json")


app = Starlette(routes=[Route("/", alive), Route("/{path:path}", receive, methods=["POST"])])

if __name__ == "__main__":
    os.environ[FOLDER], os.environ[SIZE] = sys.argv[2:4]
    uvicorn.run(
        "tests.bench.bare_receiver:app", port=int(sys.argv[1]), workers=2, loop="uvloop", http="httptools",
        log_config=None, access_log=False,
    )  # fmt: skip
