"""What a process remembers of requests: metadata and lists as it has sent them, and searches as it has read them.

A series has hundreds of objects, and every viewer asks for all of them; lists are asked for in the same words all day.
Nothing is sent because it is remembered: the database says each time whether it may be, and still is what it was.
"""

from __future__ import annotations

from typing import NamedTuple

from dicomweb.api.coding import Document
from dicomweb.index.attributes import Level

CAPACITY = 32 << 20
"""Bytes of metadata that a process remembers."""
LISTS = 16 << 20
"""Bytes of lists."""
OVERHEAD = 1024
SEARCHES = 4 << 20
"""Bytes of searches."""
READ, PARSED = 8192, 16
"""Bytes that a search takes when it is read, and more for each of its characters."""


class Asked(NamedTuple):
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


class Search(NamedTuple):
    """A search as it comes: its level, its parameters, the UIDs of its path, and what its caller takes."""

    level: Level
    params: bytes
    uids: tuple[str, ...]
    accept: str
    charset: str

    @property
    def weight(self) -> int:
        """About how many bytes it takes to remember how it was read."""
        return READ + PARSED * (len(self.params) + sum(map(len, self.uids)) + len(self.accept) + len(self.charset))


class Listed(NamedTuple):
    """A list as it is asked for: the words, the coding, and by whom, as others are shown other ones."""

    form: Search
    coding: str | None
    client: str | None
    account: str | None

    def weight(self, document: Document) -> int:
        """About how many bytes it takes to remember what was sent in this form."""
        return self.form.weight + len(document.body)
