"""What every TLS of this server speaks, and how it shows who it is.

The profile is BCP 195 with RFC 8996 and RFC 9325, and nothing older to fall back to: TLS 1.3, and TLS 1.2 with the
suites that have forward secrecy and authenticated encryption.

Spec: RFC 9325 3.1 and 4.2
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TypeAlias

from healix_fhir.kernel.errors import invalid

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of TLS 1.3 are such."""

Stamps: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Of each file when it was changed, also in who may read it, and its size."""


def new_context(protocol: int) -> ssl.SSLContext:
    """A context of the profile, without certificates."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    return context


def identify(context: ssl.SSLContext, certificate: str, key: str, prefix: str) -> None:
    """Show the certificate in a file from now on; its key is there too where `key` names no other file.

    Raises Invalid, naming the setting (`prefix` and CERTIFICATE or KEY), for files that cannot be used.
    """
    shown = existing(certificate, f"{prefix}CERTIFICATE")
    secret = existing(key, f"{prefix}KEY") if key else None

    def locked() -> str:
        """What a key that asks for a password meets: nobody is there to type it."""
        raise invalid(f"{prefix}KEY is encrypted: write it without a password, readable by this server only")

    try:
        context.load_cert_chain(shown, secret, password=locked)
    except OSError as error:
        raise invalid(f"{prefix}CERTIFICATE and {prefix}KEY hold no certificate and its key in PEM") from error


def existing(text: str, setting: str) -> Path:
    """The file that a setting names. Raises Invalid where there is none."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise invalid(f"{setting} names no file: {text[:200]}")
    return path


def stamps(*files: str) -> Stamps:
    """By which a change of files is seen."""
    return tuple(_stamp(Path(file).expanduser()) for file in files)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size
