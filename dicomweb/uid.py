"""Unique identifiers: their syntax, checked before any use.

Spec: PS3.5 9.1 (2024d)
"""

from __future__ import annotations

import re
from functools import lru_cache

from healix_fhir.kernel.errors import invalid

UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)
LONGEST = 64


def is_uid(text: str) -> bool:
    """Whether `text` is a UID: digits and dots, at most 64 characters, no component empty or with a leading zero."""
    return len(text) <= LONGEST and _is_uid(text)


@lru_cache(maxsize=1024)
def _is_uid(text: str) -> bool:
    """The same of a short text: those of an object are looked at several times, of its series and class with each."""
    return UID.fullmatch(text) is not None


def check_uid(text: str, keyword: str) -> str:
    """`text` itself when it is a UID; else Invalid, naming the attribute `keyword` and not repeating the value."""
    if not is_uid(text):
        raise invalid(f"{keyword} is not a valid UID", code="value")
    return text
