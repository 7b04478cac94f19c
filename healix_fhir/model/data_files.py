"""Access to the distilled data files of this package."""

from __future__ import annotations

import gzip
from pathlib import Path

DIRECTORY = Path(__file__).with_name("data")


def read(name: str) -> bytes:
    """The content of a data file, decompressed where its name says so."""
    content = (DIRECTORY / name).read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content
