"""What this machine tells: room on its disk, who may read what, certificates, and whether the object store answers."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from dicomweb.archive.opening import open_archive
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.mail.transport import OUTBOX
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.doctor.finding import Finding, ok, problem, warning
from smart_auth.oauth.seal import FILE as SECRET

GB = 1 << 30
FEW, FEWEST = 10 * GB, GB
SHARE, LEAST = 0.1, 0.02
EXPIRES = 30
"""Days before the end of a certificate from which on it is to be renewed."""


def findings(settings: Settings) -> Iterator[Finding]:
    """What can be seen without the database."""
    yield _disk(settings.data_dir)
    yield from _permissions(settings)
    yield _archive(settings)
    yield _mail(settings)
    for about, path in (("DIMSE", settings.dimse_tls_certificate), ("HTTPS", settings.tls_certificate)):
        if path:
            yield certificate(Path(path), f"certificate of {about}")


def _disk(data_dir: Path) -> Finding:
    there = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    usage = shutil.disk_usage(there)
    said = f"{usage.free / GB:.1f} GB of {usage.total / GB:.1f} GB are free"
    if usage.free < FEWEST or usage.free < LEAST * usage.total:
        return problem("disk", said)
    return warning("disk", said) if usage.free < FEW or usage.free < SHARE * usage.total else ok("disk", said)


def _permissions(settings: Settings) -> Iterator[Finding]:
    data_dir = settings.data_dir
    if data_dir.exists():
        mode = data_dir.stat().st_mode
        if _is_handed_in(data_dir) and mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield ok("data directory", "it is a volume that was handed in, with its permissions")
        elif mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield problem("data directory", "others may write in it: chmod go-w")
        else:
            yield ok("data directory", "only its owner may write in it")
    secrets = {SECRET: data_dir / SECRET}
    named = {
        "HEALIX_BACKUP_KEY_FILE": settings.backup_key_file,
        "HEALIX_DIMSE_TLS_KEY": settings.dimse_tls_key,
        "HEALIX_TLS_KEY": settings.tls_key,
    }
    secrets |= {name: Path(path) for name, path in named.items() if path}
    for name, path in secrets.items():
        if not path.exists():
            if name != SECRET:  # that one is made when it is needed
                yield problem(name, "there is no such file")
        elif path.stat().st_mode & (stat.S_IRWXO if _is_handed_in(path) else stat.S_IRWXG | stat.S_IRWXO):
            yield problem(name, "others may read it: chmod 600")
        else:
            yield ok(name, "only its owner may read it")


def _is_handed_in(path: Path) -> bool:
    """Whether it is mounted here, and belongs to somebody else: a container's volume or secret, which its runtime makes
    readable and writable by the group of the server (Kubernetes, `fsGroup`), and which the server cannot change.
    """
    return os.path.ismount(path) and path.stat().st_uid != os.geteuid()


def _archive(settings: Settings) -> Finding:
    if not settings.blob_url and not settings.data_dir.exists():
        return ok("image archive", "none yet")
    try:
        open_archive(settings).check()
    except (HealixError, OSError) as error:
        return problem("image archive", error.message if isinstance(error, HealixError) else str(error.strerror))
    return ok("image archive", "in the object store" if settings.blob_url else "in the data directory")


def _mail(settings: Settings) -> Finding:
    if settings.smtp_url:
        return ok("mail server", "is set")
    count = sum(1 for _ in (settings.data_dir / OUTBOX).glob("*.eml"))
    return warning("mail server", f"HEALIX_SMTP_URL is not set: mails are files, {count} by now, and reach nobody")


def certificate(path: Path, about: str) -> Finding:
    """How long a certificate (PEM) is good."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return problem(about, "cannot be read")
    days = min((one.not_valid_after_utc - datetime.now(UTC)).days for one in found)
    if days < 0:
        return problem(about, f"expired {-days} days ago")
    return warning(about, f"expires in {days} days") if days < EXPIRES else ok(about, f"is good for {days} days")
