"""What people choose as passwords: those that were found in breaches, and common words and names.

The list is read when a password is set and forgotten again: reading takes 25 ms, as the hash of that password,
and keeping it would take 20 MB of every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import zstandard

FILE = Path(__file__).parent / "data" / "words.zst"
SHORTEST = 3
"""Length of the shortest word that is listed."""


def words() -> Mapping[str, int]:
    """Each word, in lower case, with the binary logarithm of its rank: how many bits choosing it takes at most."""
    text = zstandard.ZstdDecompressor().decompress(FILE.read_bytes()).decode()
    return {word: tier for tier, lines in enumerate(text.split("\n\n"), 1) for word in lines.split("\n")}
