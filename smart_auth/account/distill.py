"""Makes `data/words.zst` of published lists: `python -m smart_auth.account.distill PASSWORDS.json … LIST.txt.gz …`.

Each list is in order of frequency, the most frequent first. The outcome are tiers, separated by an empty line: the
tier n holds what some list has before its place 2**n. The lists that the shipped file is made of are named in NOTICE.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import zstandard

from smart_auth.account.words import FILE, SHORTEST


def tiers(lists: Sequence[Sequence[str]]) -> list[list[str]]:
    """The words of all lists by the power of two that their best rank is below."""
    best: dict[str, int] = {}
    for words in lists:
        for rank, word in enumerate(words, 1):
            plain = word.strip().lower()
            if len(plain) >= SHORTEST and plain.isprintable():
                best[plain] = min(rank, best.get(plain, rank))
    by_tier: dict[int, list[str]] = defaultdict(list)
    for word, rank in best.items():
        by_tier[rank.bit_length()].append(word)
    return [sorted(by_tier[tier]) for tier in range(1, max(by_tier) + 1)]


def _read(path: Path) -> list[str]:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode().split("\n")
    words: list[str] = json.loads(path.read_bytes())
    return words


if __name__ == "__main__":
    made = tiers([_read(Path(name)) for name in sys.argv[1:]])
    text = "\n\n".join("\n".join(words) for words in made)
    FILE.write_bytes(zstandard.ZstdCompressor(level=22).compress(text.encode()))
