"""What stands for identities in a project: computed from its secret, so that nothing need be kept to map them.

The same input gives the same output within a project and another one in every other; without the secret neither can
the one be found from the other, nor a guess be tried. All are HMAC-SHA-256 of the input, each kind with its own name.

Spec: PS3.15 E.3.9 and E.3.6 (2026c), PS3.5 B.2 (2024d)
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from base64 import b32encode

from pydicom._uid_dict import UID_dictionary

LONGEST_SHIFT = 3650
"""Days by which dates are moved back at most, which is ten years; at least one day."""


class Keys:
    """The keyed functions of a project with a `secret` of 32 bytes or more."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def uid(self, uid: str) -> str:
        """The UID in place of another. One of the standard's registry (PS3.6 Annex A) stays: it names no instance."""
        if uid in UID_dictionary or not uid:
            return uid
        return f"2.25.{uuid.UUID(bytes=self._of('uid', uid)[:16], version=4).int}"

    def pseudonym(self, patient: str) -> str:
        """The name and identifier of a patient."""
        return f"HX{b32encode(self._of('patient', patient)[:10]).decode()}"

    def days(self, patient: str) -> int:
        """By how many days the dates of a patient are moved back."""
        return 1 + int.from_bytes(self._of("days", patient)[:8], "big") % LONGEST_SHIFT

    def _of(self, kind: str, value: str) -> bytes:
        return hmac.new(self._secret, f"{kind}\0{value}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
