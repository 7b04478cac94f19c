"""Serves the installed viewer under `/ohif/`.

The viewer is registered as an app when its configuration is first asked for: then it is known to be installed.
"""

from __future__ import annotations

from pathlib import Path

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from healix_fhir.kernel.database import Row, atransaction
from healix_fhir.server.viewer.configuration import MOUNT, configuration
from smart_auth.oauth.own_viewer import register_viewer

HEADERS = {
    # OHIF compiles WebAssembly codecs and starts workers from blobs; nothing may come from another origin.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; connect-src 'self' blob: data:; frame-ancestors 'self'; base-uri 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
}
NOT_INSTALLED = "The viewer is not installed. The server's operator can install it with: healix viewer install\n"


def routes(directory: Path, pool: AsyncConnectionPool[AsyncConnection[Row]], root: str) -> list[Route]:
    """The viewer's routes; every path that is no file is the viewer's own and answered with its page."""
    script = configuration(root)
    registered = False

    def serve(request: Request) -> Response:
        page = directory / "index.html"
        if not page.is_file():
            return PlainTextResponse(NOT_INSTALLED, status_code=404)
        path = (directory / request.path_params.get("path", "")).resolve()
        hashed = path.suffix in {".js", ".wasm"} and ".bundle." in path.name
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            path, hashed = page, False
        cache = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return FileResponse(path, headers=HEADERS | {"Cache-Control": cache})

    async def configure(request: Request) -> Response:
        nonlocal registered
        del request
        if not (directory / "index.html").is_file():
            return PlainTextResponse(NOT_INSTALLED, status_code=404)
        if not registered:
            await atransaction(pool, lambda: register_viewer(root))
            registered = True
        return Response(script, media_type="text/javascript", headers=HEADERS | {"Cache-Control": "no-cache"})

    return [Route(f"{MOUNT}/app-config.js", configure), Route(MOUNT, serve), Route(f"{MOUNT}/{{path:path}}", serve)]
