"""Proof Key for Code Exchange: S256 only.

Spec: RFC 7636 4.1, 4.2, 4.6; SMART App Launch 2.2 app-launch.html#considerations-for-pkce-support; RFC 9700 2.1.1
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

METHOD = "S256"
VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def is_challenge(text: str) -> bool:
    """Whether `text` has the form of an S256 challenge."""
    return CHALLENGE.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether `verifier` is the secret behind `challenge`."""
    if not VERIFIER.fullmatch(verifier):
        return False
    made = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())
