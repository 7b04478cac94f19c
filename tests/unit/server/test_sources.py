"""Files to import, read piece by piece."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from healix_fhir.server.importing.sources import CHUNK, find, lines


@pytest.mark.parametrize("name", ["lines.ndjson", "lines.ndjson.gz"])
@pytest.mark.parametrize("long", [11, 2 * CHUNK])
def test_long_lines(tmp_path: Path, name: str, long: int) -> None:
    """A line above the limit is passed over, by number; those around it are read."""
    content = b"{}\n\n" + b"x" * long + b"\n0123456789"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (source,), _ = find([path])
    read = 0

    def advance(size: int) -> None:
        nonlocal read
        read += size

    assert list(lines(source, advance, 10)) == [(1, b"{}\n"), (3, None), (4, b"0123456789")]
    assert read == source.size


def test_large_file(tmp_path: Path) -> None:
    """A JSON file is one item, and passed over above the limit."""
    (tmp_path / "a.json").write_bytes(b"{\n}")
    (tmp_path / "b.json").write_bytes(b"{" + b" " * 10 + b"}")
    sources, _ = find([tmp_path])
    assert [list(lines(source, lambda _: None, 10)) for source in sources] == [[(1, b"{\n}")], [(1, None)]]
