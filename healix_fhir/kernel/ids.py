"""Identifiers that the server makes."""

from __future__ import annotations

import os
import re
import secrets

LOGICAL_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#id"""


BLOCK = 4096


class Randomness:
    """Random bytes of the operating system, fetched a block at a time: the system call cost a create 5 µs for each id.

    For identifiers only; secrets ask the operating system for their own.
    """

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Give out nothing of the present block again: a forked process has a copy of it."""
        self._block, self._used = b"", 0

    def hex(self, size: int) -> str:
        """`size` random bytes as hexadecimal digits."""
        start, self._used = self._used, self._used + size
        if self._used > len(self._block):
            self._block, start, self._used = os.urandom(BLOCK), 0, size
        return self._block[start : start + size].hex()


_randomness = Randomness()
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def logical_id() -> str:
    """A new resource id: a random UUID, so that ids tell nothing and never collide between nodes.

    Spec: RFC 9562 5.4
    """
    digits = _randomness.hex(16)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def request_id() -> str:
    """A new id of a request, the same in its log lines, audit rows and answer."""
    return _randomness.hex(8)


def secret() -> str:
    """A new opaque secret of 256 bits, URL-safe."""
    return secrets.token_urlsafe(32)


def is_logical_id(text: str) -> bool:
    """Whether `text` has the form of a resource id."""
    return LOGICAL_ID.fullmatch(text) is not None
