"""Encryption at rest with a secret that lies beside the database, not in it: a copy of the database opens nothing.

Spec: NIST SP 800-38D (AES-GCM)
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SIZE = 32
NONCE = 12
FILE = "keys.secret"


class Seal:
    """Seals and opens with one secret of 256 bits."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)

    def close(self, plain: bytes, label: str) -> bytes:
        """`plain`, encrypted and bound to `label`."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes | None:
        """What was sealed under `label`; None when it was sealed with another secret, or changed."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], label.encode())
        except (InvalidTag, ValueError):
            return None


def seal_of(directory: Path) -> Seal:
    """The seal of a data directory; its secret is made on first use, for its owner only to read."""
    file = directory / FILE
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        fresh = directory / f"{FILE}.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(os.urandom(SIZE))
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):  # another process was first; its secret is the one
            os.link(fresh, file)
        fresh.unlink()
    return Seal(file.read_bytes())
