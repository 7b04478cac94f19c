"""Metadata as a process has sent them, so that they are made once: a series has hundreds of objects, and every viewer
asks for all of them.

Nothing is sent because it is remembered: the database says each time whether it may be, and still is what it was.
"""

from __future__ import annotations

from typing import NamedTuple

from dicomweb.api.coding import Document

CAPACITY = 32 << 20
"""Bytes of metadata that a process remembers."""
OVERHEAD = 1024


class Form(NamedTuple):
    """What of which study, series or instance was asked for, and in which form."""

    uids: tuple[str, str | None, str | None]
    kind: str
    fields: tuple[str, ...]
    coding: str | None

    def weight(self, document: Document) -> int:
        """About how many bytes it takes to remember what was sent in this form."""
        return OVERHEAD + len(document.body) + sum(map(len, self.fields))


class Kept(NamedTuple):
    """What was sent, and the state of the rows that it was made of."""

    state: bytes
    document: Document
