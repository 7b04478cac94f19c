"""TLS for associations, either way: which versions and suites, which certificate is ours, whose are trusted.

The profile is that of `healix_fhir.kernel.tls`. Trust is what `HEALIX_DIMSE_TLS_CA` holds: the authority
of a clinic, or the certificates of its peers themselves. Devices carry addresses that no certificate names, so with
such a file host names are not compared; without one a peer that we call must prove its host name to the authorities
of the machine.

Spec: PS3.15 B.12 (2024d), RFC 9325 3.1 and 4.2
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.settings import PREFIX, Settings, load
from healix_fhir.kernel.tls import Stamps, existing, identify, new_context, stamps

log = get_logger("dimse")

NAMES = f"{PREFIX}DIMSE_TLS_"
CA = f"{NAMES}CA"


def acceptor_context(settings: Settings) -> ssl.SSLContext | None:
    """What the port for TLS speaks; None where no certificate is set, so that there is no such port.

    Raises Invalid, naming the setting, for files that cannot be used.
    """
    if not settings.dimse_tls_certificate:
        return None
    context = new_context(ssl.PROTOCOL_TLS_SERVER)
    _identify(context, settings)
    if settings.dimse_tls_mutual:
        if not settings.dimse_tls_ca:
            raise invalid(f"{CA} must be set, or {PREFIX}DIMSE_TLS_MUTUAL=false: whose certificates are trusted?")
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, settings)
    return context


def requestor_context(settings: Settings) -> ssl.SSLContext:
    """What peers are called with that are spoken with over TLS. Raises Invalid as `acceptor_context`."""
    context = new_context(ssl.PROTOCOL_TLS_CLIENT)
    if settings.dimse_tls_ca:
        context.check_hostname = False
        _trust(context, settings)
    else:
        context.load_default_certs()
    if settings.dimse_tls_certificate:
        _identify(context, settings)
    return context


def renewing(settings: Settings) -> Callable[[], ssl.SSLContext] | None:
    """`acceptor_context`, made anew when its files have changed: a certificate is renewed without an end of service.

    Files that cannot be used then leave the last ones in force. Raises Invalid for those of now.
    """
    read = _stamps(settings)
    now = acceptor_context(settings)
    return None if now is None else Renewing(settings, now, read)


@dataclass(slots=True)
class Renewing:
    """The context of the port for TLS, `last` being the one that was good, and the `stamps` those last read."""

    settings: Settings
    last: ssl.SSLContext
    stamps: Stamps

    def __call__(self) -> ssl.SSLContext:
        """That of this moment; files are read once, whether they are good or not."""
        found = _stamps(self.settings)
        if found != self.stamps:
            self.stamps = found
            try:
                self.last = acceptor_context(self.settings) or self.last
            except HealixError as error:
                log.warning("the changed files for TLS are not used", reason=error.message)
        return self.last


def our_context() -> ssl.SSLContext:
    """`requestor_context` of the settings in the environment, which every process of a server has there."""
    settings = load()
    return _requesting(settings, _stamps(settings))


@lru_cache(maxsize=1)
def _requesting(settings: Settings, read: Stamps) -> ssl.SSLContext:
    del read
    return requestor_context(settings)


def _stamps(settings: Settings) -> Stamps:
    return stamps(settings.dimse_tls_certificate, settings.dimse_tls_key, settings.dimse_tls_ca)


def _identify(context: ssl.SSLContext, settings: Settings) -> None:
    identify(context, settings.dimse_tls_certificate, settings.dimse_tls_key, NAMES)


def _trust(context: ssl.SSLContext, settings: Settings) -> None:
    """Trust the certificates in the file, whether they are of authorities or of peers."""
    try:
        context.load_verify_locations(existing(settings.dimse_tls_ca, CA))
    except OSError as error:
        raise invalid(f"{CA} holds no certificates in PEM") from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
