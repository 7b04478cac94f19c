"""64-bit hashes for index keys."""

from __future__ import annotations

from functools import lru_cache

from xxhash import xxh3_64_intdigest


@lru_cache(maxsize=65536)
def key64(text: str) -> int:
    """A signed 64-bit hash of `text`, as PostgreSQL's bigint holds it.

    Stable for ever: it is stored in index rows. Collisions only add a false match to a search within what the
    caller may see anyway; access never depends on it.
    """
    value = xxh3_64_intdigest(text.encode())
    return value - (1 << 64) if value >= 1 << 63 else value
