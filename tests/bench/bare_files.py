"""The least that could serve frames: a Starlette application that reads a file and sends it as a part, no more. Below
`/memory` it does not even read it: it sends bytes that it has, which is what this machine can send and a client take.

`python -m tests.bench.bare_files PORT FOLDER` serves it under the same uvicorn as a web worker of Healix, twice.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = "BARE_FILES"
KIND = 'multipart/related; type="a/b"; boundary=b'
HEAD = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n"


async def alive(_: Request) -> Response:
    """200."""
    return Response()


async def part(request: Request) -> Response:
    """A file as the only part of a multipart."""
    return Response(_part(request.path_params["name"]), media_type=KIND)


async def remembered(request: Request) -> Response:
    """The same, read once."""
    return Response(_remembered(request.path_params["name"]), media_type=KIND)


def _part(name: str) -> bytes:
    return HEAD + (Path(os.environ[FOLDER]) / name).read_bytes() + b"\r\n--b--\r\n"


_remembered = cache(_part)
app = Starlette(routes=[Route("/", alive), Route("/memory/{name}", remembered), Route("/{name}", part)])

if __name__ == "__main__":
    os.environ[FOLDER] = sys.argv[2]
    uvicorn.run(
        "tests.bench.bare_files:app", port=int(sys.argv[1]), workers=2, loop="uvloop", http="httptools",
        log_config=None, access_log=False,
    )  # fmt: skip
