"""Recovery codes: for the day when the phone or the key is lost. Ten at a time, each good once, shown once.

A code has 80 random bits, so that a plain hash keeps it; the hash is bound to the account.

Spec: NIST SP 800-63B 5.1.2 (look-up secrets)
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from healix_fhir.kernel.database import Statement, Work
from smart_auth.store import digest

COUNT = 10
GROUPS, LETTERS = 4, 4
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Digits and letters that are not taken for one another."""
MISREAD = str.maketrans("oil", "011", "- \t")
"""What is read or typed instead, and what is only there for the eye."""


@dataclass(frozen=True, slots=True)
class Codes:
    """How many of an account's present codes are left, and how many are used up."""

    left: int = 0
    used: int = 0


def make(username: str) -> Work[tuple[str, ...]]:
    """New codes instead of all earlier ones; they are nowhere afterwards but in the answer."""
    made = tuple(_code() for _ in range(COUNT))
    yield forget(username)
    yield Statement(
        "INSERT INTO recovery_code (hash, username) SELECT h, %s FROM unnest(%s::bytea[]) AS h",
        (username, [_hash(username, code) for code in made]),
    )
    return made


def use(username: str, code: str) -> Work[bool]:
    """Use up a code; False when it is not right, or used already."""
    rows = yield Statement(
        "UPDATE recovery_code SET used = now() WHERE hash = %s AND username = %s AND used IS NULL RETURNING 1",
        (_hash(username, code), username),
    )
    return bool(rows)


def forget(username: str) -> Statement:
    """Make all codes of an account worthless."""
    return Statement("DELETE FROM recovery_code WHERE username = %s", (username,))


def _code() -> str:
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(LETTERS)) for _ in range(GROUPS))


def _hash(username: str, code: str) -> bytes:
    return digest(f"{username}\0{code[:64].lower().translate(MISREAD)}")
