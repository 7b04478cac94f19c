"""TLS for associations, either way: which versions and suites, which certificate is ours, whose are trusted.

The profile is BCP 195 with RFC 8996 and RFC 9325, and nothing older to fall back to: TLS 1.3, and TLS 1.2 with the
suites that have forward secrecy and authenticated encryption. Trust is what `HEALIX_DIMSE_TLS_CA` holds: the authority
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
from pathlib import Path
from typing import TypeAlias

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.settings import PREFIX, Settings, load

log = get_logger("dimse")

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of TLS 1.3 are such."""
CERTIFICATE, KEY, CA = (f"{PREFIX}DIMSE_TLS_{name}" for name in ("CERTIFICATE", "KEY", "CA"))


def acceptor_context(settings: Settings) -> ssl.SSLContext | None:
    """What the port for TLS speaks; None where no certificate is set, so that there is no such port.

    Raises Invalid, naming the setting, for files that cannot be used.
    """
    if not settings.dimse_tls_certificate:
        return None
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    _identify(context, settings)
    if settings.dimse_tls_mutual:
        if not settings.dimse_tls_ca:
            raise invalid(f"{CA} must be set, or {PREFIX}DIMSE_TLS_MUTUAL=false: whose certificates are trusted?")
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, settings)
    return context


def requestor_context(settings: Settings) -> ssl.SSLContext:
    """What peers are called with that are spoken with over TLS. Raises Invalid as `acceptor_context`."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
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
    stamps = _stamps(settings)
    now = acceptor_context(settings)
    return None if now is None else Renewing(settings, now, stamps)


@dataclass(slots=True)
class Renewing:
    """The context of the port for TLS, `last` being the one that was good, and the `stamps` those last read."""

    settings: Settings
    last: ssl.SSLContext
    stamps: Stamps

    def __call__(self) -> ssl.SSLContext:
        """That of this moment; files are read once, whether they are good or not."""
        stamps = _stamps(self.settings)
        if stamps != self.stamps:
            self.stamps = stamps
            try:
                self.last = acceptor_context(self.settings) or self.last
            except HealixError as error:
                log.warning("the changed files for TLS are not used", reason=error.message)
        return self.last


def our_context() -> ssl.SSLContext:
    """`requestor_context` of the settings in the environment, which every process of a server has there."""
    settings = load()
    return _requesting(settings, _stamps(settings))


Stamps: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Of each file when it was changed, also in who may read it, and its size."""


@lru_cache(maxsize=1)
def _requesting(settings: Settings, stamps: Stamps) -> ssl.SSLContext:
    del stamps
    return requestor_context(settings)


def _stamps(settings: Settings) -> Stamps:
    files = (settings.dimse_tls_certificate, settings.dimse_tls_key, settings.dimse_tls_ca)
    return tuple(_stamp(Path(file).expanduser()) for file in files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    return context


def _identify(context: ssl.SSLContext, settings: Settings) -> None:
    certificate = _file(settings.dimse_tls_certificate, CERTIFICATE)
    key = _file(settings.dimse_tls_key, KEY) if settings.dimse_tls_key else None
    try:
        context.load_cert_chain(certificate, key, password=_locked)
    except OSError as error:
        message = f"{CERTIFICATE} and {KEY} hold no certificate and its key in PEM"
        raise invalid(message) from error


def _trust(context: ssl.SSLContext, settings: Settings) -> None:
    """Trust the certificates in the file, whether they are of authorities or of peers."""
    try:
        context.load_verify_locations(_file(settings.dimse_tls_ca, CA))
    except OSError as error:
        raise invalid(f"{CA} holds no certificates in PEM") from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _file(text: str, setting: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise invalid(f"{setting} names no file: {text[:200]}")
    return path


def _locked() -> str:
    """What a key that asks for a password meets: nobody is there to type it."""
    raise invalid(f"{KEY} is encrypted: write it without a password, readable by this server only")
