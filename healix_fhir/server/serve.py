"""`healix serve`: the whole server in the foreground."""

from __future__ import annotations

import dataclasses
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial

from dicomweb.archive.opening import check_archive
from dicomweb.dimse.contexts import with_further
from dicomweb.dimse.tls import acceptor_context
from dicomweb.index import further
from healix_fhir.interaction.review import demands
from healix_fhir.kernel import embedded
from healix_fhir.kernel.log import configure
from healix_fhir.kernel.mail.transport import transport_of
from healix_fhir.kernel.settings import Settings
from healix_fhir.server import parts
from healix_fhir.server.forks import apart, begins_loaded
from healix_fhir.server.processes import Supervisor, listen, open_database, stop_on_signals
from healix_fhir.server.shared_counters import share
from healix_fhir.server.tls import https_context
from smart_auth.oauth.limits import changed_rules

READY = 60.0


def serve(settings: Settings, *, demo: bool) -> None:
    """Start every part, print where it answers, and run until SIGTERM or Ctrl-C; then drain and return."""
    stopped = threading.Event()
    stop_on_signals(stopped)
    listener = listen(settings.host, settings.port)
    if begins_loaded():
        parts.load()
    apart("check", partial(_check, settings))
    share(settings.data_dir)
    with open_database(settings) as url:
        connected = dataclasses.replace(settings, database_url=url)
        guide = apart("demo", partial(_load_demo, connected)) if demo else []
        supervisor = Supervisor(parts.children(connected, listener))
        supervisor.start()
        announce = _Announcement(connected, guide)
        try:
            supervisor.watch(stopped, announce, *_database_kept(settings))
        finally:
            listener.close()  # who comes while the workers drain is refused, and goes to another node
            supervisor.stop()


def _database_kept(settings: Settings) -> list[Callable[[], None]]:
    return [] if settings.database_url else [lambda: embedded.revive(settings.data_dir)]


def _check(settings: Settings) -> None:
    """Refuse here what would end each child right after its start."""
    demands(settings.validate_profiles)
    changed_rules(settings.rate_limits)
    listen(settings.host, settings.dimse_port).close()
    with_further(settings.dimse_storage_classes)
    further.read(settings.dicom_attributes)
    if acceptor_context(settings) is not None:
        listen(settings.host, settings.dimse_tls_port).close()
    https_context(settings)
    _check_tracing(settings)
    check_archive(settings)
    transport_of(settings)


def _check_tracing(settings: Settings) -> None:
    if settings.otlp_endpoint:
        from healix_fhir.kernel.tracing import exporting

        exporting(settings)


def _load_demo(settings: Settings) -> list[str]:
    from healix_fhir.server.demo.load import load

    configure(settings.log_level)
    return load(settings)


class _Announcement:
    """Prints the addresses once the server is ready; given up after `READY` seconds."""

    def __init__(self, settings: Settings, guide: list[str]) -> None:
        self._settings = settings
        self._guide = guide
        self._until = time.monotonic() + READY

    def __call__(self) -> None:
        """Look whether it is ready, unless it was."""
        settings = self._settings
        if time.monotonic() > self._until or not _ready(settings):
            return
        self._until = 0.0
        lines = [
            "",
            "Healix is ready.",
            f"  FHIR      {settings.root}/fhir          (try {settings.root}/fhir/metadata)",
            f"  DICOMweb  {settings.root}/dicomweb",
            f"  DIMSE     {settings.host}:{settings.dimse_port}  AE title HEALIX{_over_tls(settings)}",
            f"  Pages     {settings.root}/account/",
            *self._guide,
            "",
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _over_tls(settings: Settings) -> str:
    return f", over TLS {settings.host}:{settings.dimse_tls_port}" if settings.dimse_tls_certificate else ""


def _reachable(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - a comparison, not a binding
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _ready(settings: Settings) -> bool:
    local = f"{settings.scheme}://{_reachable(settings.host)}:{settings.port}"
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE  # asked at an address that no certificate has to name
    try:
        with urllib.request.urlopen(f"{local}/readyz", timeout=1, context=own) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
