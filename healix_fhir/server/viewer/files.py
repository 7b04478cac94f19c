"""Serves the installed viewer under `/ohif/`.

The viewer is registered as an app when its configuration is first asked for: then it is known to be installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from mimetypes import guess_type
from pathlib import Path

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dicomweb.uid import is_uid
from healix_fhir.api.coding import takes_gzip
from healix_fhir.imaging.access import INVOKE
from healix_fhir.kernel.database import Row, atransaction
from healix_fhir.server.viewer.configuration import MOUNT, configuration
from healix_fhir.server.viewer.install import PACKED
from smart_auth.oauth.own_viewer import register_viewer

HEADERS = {
    # OHIF compiles WebAssembly codecs, starts workers from blobs and shows documents from them; nothing may come from
    # another origin.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "worker-src 'self' blob:; connect-src 'self' blob: data:; object-src 'self' blob:; frame-src 'self' blob:; "
        "frame-ancestors 'self'; base-uri 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Referrer-Policy": "no-referrer",
}
HASHED = re.compile(r"(.*\.)?[0-9a-f]{20}\.(js|wasm|woff2)", re.ASCII).fullmatch
"""Whether a file of this name never changes."""
SOURCES = Path(__file__).parent / "scripts"
SCRIPTS = {"init-service-worker.js": "media.js", "media-worker.js": "media-worker.js"}
"""The server's own scripts, by the names that the viewer's page and the browser know them by."""
NO_STUDY = "An image display is invoked here with requestType=STUDY and the UIDs of studies as studyUID.\n"
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
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            path = page
        cache = "public, max-age=31536000, immutable" if HASHED(path.name) else "no-cache"
        headers = HEADERS | {"Cache-Control": cache, "Vary": "Accept-Encoding"}
        kind = guess_type(path.name)[0]
        packed = path.with_name(path.name + PACKED)
        if takes_gzip(request.headers.get("accept-encoding", "").encode()) and packed.is_file():
            return FileResponse(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=kind)
        return FileResponse(path, headers=headers, media_type=kind)

    async def configure(request: Request) -> Response:
        nonlocal registered
        del request
        if not (directory / "index.html").is_file():
            return PlainTextResponse(NOT_INSTALLED, status_code=404)
        if not registered:
            await atransaction(pool, lambda: register_viewer(root))
            registered = True
        return Response(script, media_type="text/javascript", headers=HEADERS | {"Cache-Control": "no-cache"})

    def invoke(request: Request) -> Response:
        """`GET /ohif/IHEInvokeImageDisplay?requestType=STUDY&studyUID=…`. Spec: IHE RAD TF-2 4.106"""
        if not (directory / "index.html").is_file():
            return PlainTextResponse(NOT_INSTALLED, status_code=404)
        asked = request.query_params
        uids = asked.get("studyUID", "").split(",")
        if asked.get("requestType") != "STUDY" or not all(map(is_uid, uids)):
            return PlainTextResponse(NO_STUDY, status_code=400)
        return RedirectResponse(f"{MOUNT}/viewer?StudyInstanceUIDs={','.join(uids)}", status_code=302)

    return [
        Route(f"{MOUNT}/app-config.js", configure),
        Route(INVOKE, invoke),
        *(Route(f"{MOUNT}/{name}", _own(SOURCES / file)) for name, file in SCRIPTS.items()),
        Route(MOUNT, serve),
        Route(f"{MOUNT}/{{path:path}}", serve),
    ]


def _own(script: Path) -> Callable[[Request], Response]:
    """Serves a script of the server's own; as a service worker it may control the viewer's first page too."""
    text = script.read_text(encoding="utf-8")
    headers = HEADERS | {"Cache-Control": "no-cache", "Service-Worker-Allowed": MOUNT}

    def serve(request: Request) -> Response:
        del request
        return Response(text, media_type="text/javascript", headers=headers)

    return serve
