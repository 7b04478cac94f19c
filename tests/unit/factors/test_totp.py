"""One-time codes against the vectors of RFC 6238."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from smart_auth.oauth.factors.totp import STEP, address, matching_step

SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
"""Times and codes of eight digits with SHA-1; six digits are the last six of them (RFC 4226 5.3: modulo 10^digits)."""


@pytest.mark.spec("RFC 6238 appendix B")
@pytest.mark.parametrize(("when", "code"), VECTORS)
def test_vectors(when: int, code: str) -> None:
    """The codes of the RFC belong to their steps."""
    assert matching_step(SECRET, code[-6:], when) == when // STEP


@pytest.mark.spec("RFC 6238 section 5.2")
@pytest.mark.parametrize(("late", "accepted"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_drift(late: int, accepted: bool) -> None:
    """A code is good for one step before and after its own."""
    when, code = VECTORS[2]
    assert (matching_step(SECRET, code[-6:], when + late) == when // STEP) is accepted


@pytest.mark.parametrize(
    "code", ["", "05047", "0504710", "14050471", "05047x", "٠٥٠٤٧١", "-50471", "05047\0", "+50471"]
)
def test_what_is_no_code(code: str) -> None:
    """Anything but six ASCII digits is no code."""
    assert matching_step(SECRET, code, VECTORS[2][0]) is None


def test_spaces_are_for_the_eye() -> None:
    """A code may be typed as apps show it, in two groups."""
    assert matching_step(SECRET, " 050 471 ", VECTORS[2][0]) is not None


def test_address() -> None:
    """The picture holds the secret, whose it is, and which server's."""
    parts = urlsplit(address(SECRET, "ada@x", "Healix fhir.example.org"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["Healix fhir.example.org"]}
