"""The least that could serve frames: a Starlette application that reads a file and sends it as a part, no more.

`python -m tests.bench.bare_files PORT FOLDER` serves it under the same uvicorn as a web worker of Healix, twice.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = "BARE_FILES"
HEAD = b"--b\r\nContent-Type: application/octet-stream\r\n\r\n"


async def alive(_: Request) -> Response:
    """200."""
    return Response()


async def part(request: Request) -> Response:
    """A file as the only part of a multipart."""
    content = (Path(os.environ[FOLDER]) / request.path_params["name"]).read_bytes()
    return Response(HEAD + content + b"\r\n--b--\r\n", media_type='multipart/related; type="a/b"; boundary=b')


app = Starlette(routes=[Route("/", alive), Route("/{name}", part)])

if __name__ == "__main__":
    os.environ[FOLDER] = sys.argv[2]
    uvicorn.run(
        "tests.bench.bare_files:app", port=int(sys.argv[1]), workers=2, loop="uvloop", http="httptools",
        log_config=None, access_log=False,
    )  # fmt: skip
