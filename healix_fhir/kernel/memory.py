"""What a process remembers, so that it has not to be made again; bounded by its weight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
SHARE = 4


class Memory(Generic[K, V]):
    """Values by keys, of a `capacity` that is the sum of their weights, in bytes or whatever is counted.

    Those that were not asked for longest are forgotten first; what is heavier than a quarter of all is not remembered.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._weight = 0
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What is remembered, if anything."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, weight: int) -> None:
        """Remember a value."""
        self.drop(key)
        if weight * SHARE > self._capacity:
            return
        self._held[key] = value, weight
        self._weight += weight
        while self._weight > self._capacity:
            self._weight -= self._held.popitem(last=False)[1][1]

    def drop(self, key: K) -> None:
        """Forget a value."""
        found = self._held.pop(key, None)
        if found is not None:
            self._weight -= found[1]
