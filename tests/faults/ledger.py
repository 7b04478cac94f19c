"""What was sent to a server and what it answered, from which follows what must, may and must not be there."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

GONE = "(deleted)"
"""The value of a version that is a deletion."""


@dataclass
class Chain:
    """One resource that one client alone writes, one version after the other.

    `told` are the values of the versions that were acknowledged. `perhaps` is that of the last thing sent, where its
    answer never came; nothing is sent after that. `id` is None until the server has told it.
    """

    key: str
    id: str | None = None
    told: list[str] = field(default_factory=list)
    perhaps: str | None = None

    def possible(self) -> list[list[str]]:
        """The histories that keep the promise: values, oldest first."""
        return [self.told] if self.perhaps is None else [self.told, [*self.told, self.perhaps]]


@dataclass
class Group:
    """Resources that were sent in one transaction under one identifier: all are there, or none."""

    key: str
    size: int
    acknowledged: bool


@dataclass
class Image:
    """One object: `content` is its data set as sent."""

    study: str
    series: str
    instance: str
    content: bytes
    acknowledged: bool


@dataclass
class Ledger:
    """All that was sent since the last check, by all clients; safe to use from their threads.

    `answers` counts by what was sent and how it was answered; `wrong` are answers that must never be given.
    """

    chains: list[Chain] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: Chain | Group | Image) -> None:
        """Enter something that is sent."""
        kinds: dict[type, list[object]] = {Chain: self.chains, Group: self.groups, Image: self.images}  # type: ignore[dict-item]
        with self.lock:
            kinds[type(what)].append(what)

    def count(self, word: str) -> None:
        """Count an answer."""
        with self.lock:
            self.answers[word] += 1

    def blame(self, text: str) -> None:
        """Note an answer that must never be given."""
        with self.lock:
            self.wrong.append(text)

    def turn(self) -> tuple[list[Chain], list[Group], list[Image]]:
        """What was sent since the last turn, to be checked while nobody sends."""
        with self.lock:
            taken = self.chains, self.groups, self.images
            self.chains, self.groups, self.images = [], [], []
        return taken
