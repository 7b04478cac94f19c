"""One web worker: uvicorn with the ASGI application."""

from __future__ import annotations

import socket

from healix_fhir.kernel.settings import Settings
from healix_fhir.server.processes import end_with_parent, listen, using_database
from healix_fhir.server.shared_counters import share

GRACE = 25


def run(settings: Settings, *, descriptor: int | None, parent: int | None) -> None:
    """Serve until SIGTERM, then finish the requests under way.

    `descriptor` is a listening socket inherited from the supervisor; without it the worker listens by itself.
    """
    share(settings.data_dir)  # before anything imports the counters

    import uvicorn

    from healix_fhir.server.app import create_app
    from healix_fhir.server.deadlines import DeadlineProtocol

    end_with_parent(parent)
    listener = socket.socket(fileno=descriptor) if descriptor is not None else listen(settings.host, settings.port)
    with using_database(settings, child=parent is not None) as connected:
        config = uvicorn.Config(
            create_app(connected),
            http=DeadlineProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        uvicorn.Server(config).run(sockets=[listener])
