"""One web worker: uvicorn with the ASGI application."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from healix_fhir.kernel.settings import Settings
from healix_fhir.server.processes import collect_less, listen, using_database
from healix_fhir.server.shared_counters import count_as_this_process, share
from healix_fhir.server.tls import https_context, keep_current

if TYPE_CHECKING:
    import ssl

    import uvicorn
    from starlette.types import ASGIApp

GRACE = 25
WEB_SOCKETS: dict[str, Any] = {
    "ws": "websockets-sansio",
    "ws_max_size": 4096,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,
}
"""How uvicorn serves web sockets: callers send next to nothing, and who answers no ping is gone."""
FILES = 8192


def run(settings: Settings, *, listener: socket.socket | None = None, child: bool = False) -> None:
    """Serve until SIGTERM, then finish the requests under way.

    A `child` of `healix serve` has its `listener`, and counts together with the others; without it the worker listens
    by itself.
    """
    import uvicorn

    from healix_fhir.server.app import create_app

    if not child:
        share(settings.data_dir)
    count_as_this_process()
    _allow_files()
    tls = https_context(settings)
    if tls is not None:
        keep_current(tls, settings)
    listener = listener or listen(settings.host, settings.port)
    with using_database(settings, child=child) as connected:
        server = uvicorn.Server(configuration(create_app(connected), connected, tls))
        collect_less()
        server.run(sockets=[listener])


def configuration(app: ASGIApp, settings: Settings, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How uvicorn serves: with our deadlines, and with callers named by the proxies that the operator trusts only."""
    import uvicorn

    from healix_fhir.server.deadlines import DeadlineProtocol

    config = uvicorn.Config(
        app,
        http=DeadlineProtocol,
        **WEB_SOCKETS,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_graceful_shutdown=GRACE,
    )
    config.load()
    config.ssl = tls
    return config


def _allow_files() -> None:
    """Let the process open as many files and connections as the system allows it, up to `FILES`."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
