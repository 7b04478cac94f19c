"""HTTP over TLS in the server itself, for nodes without a proxy before them.

Spec: RFC 9110 4.2.2
"""

from __future__ import annotations

import ssl
import threading

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.settings import PREFIX, Settings
from healix_fhir.kernel.tls import identify, new_context, stamps

NAMES = f"{PREFIX}TLS_"
LOOK = 30.0
"""Seconds between looks at the files."""
log = get_logger("tls")


def https_context(settings: Settings) -> ssl.SSLContext | None:
    """What the HTTP port speaks; None where no certificate is set, so that it speaks plain HTTP.

    Raises Invalid, naming the setting, for files that cannot be used.
    """
    if not settings.tls_certificate:
        if settings.tls_key:
            raise invalid(f"{NAMES}KEY is set without {NAMES}CERTIFICATE")
        return None
    context = new_context(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _show(context, settings)
    return context


def keep_current(context: ssl.SSLContext, settings: Settings) -> None:
    """Show renewed certificates to callers that come after, without an end of service.

    Files that cannot be used leave the last ones in force.
    """

    def watch() -> None:
        seen = _stamps(settings)
        while True:
            threading.Event().wait(LOOK)
            now = _stamps(settings)
            if now != seen:
                seen = now
                try:
                    https_context(settings)  # a context that a bad pair was loaded into is not to be used
                    _show(context, settings)
                except HealixError as error:
                    log.warning("the changed files for TLS are not used", reason=error.message)

    threading.Thread(target=watch, name="certificate-watch", daemon=True).start()


def _show(context: ssl.SSLContext, settings: Settings) -> None:
    identify(context, settings.tls_certificate, settings.tls_key, NAMES)


def _stamps(settings: Settings) -> object:
    return stamps(settings.tls_certificate, settings.tls_key)
