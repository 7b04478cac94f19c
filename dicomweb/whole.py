"""Whole numbers in requests.

Spec: PS3.18 8.3.4.4 (2024d)
"""

from __future__ import annotations

from healix_fhir.kernel.errors import invalid

MOST = 1 << 31
DIGITS = len(str(MOST))


def whole(name: str, value: str) -> int:
    """The number that the parameter `name` has as its value, at most `MOST`. Raises Invalid for anything else, also
    where more digits stand before it than such a number has.
    """
    if not (value.isascii() and value.isdecimal() and len(value) <= DIGITS) or int(value) > MOST:
        raise invalid(f"{name} must be a whole number", code="value")
    return int(value)
