"""Files to import, read piece by piece."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from healix_fhir.server.importing.sources import CHUNK, NEITHER, OUTSIDE, find, lines


@pytest.mark.parametrize("name", ["lines.ndjson", "lines.ndjson.gz"])
@pytest.mark.parametrize("long", [11, 2 * CHUNK])
def test_long_lines(tmp_path: Path, name: str, long: int) -> None:
    """A line above the limit is passed over, by number; those around it are read."""
    content = b"{}\n\n" + b"x" * long + b"\n0123456789"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    (source,) = find([path]).sources
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
    sources = find([tmp_path]).sources
    assert [list(lines(source, lambda _: None, 10)) for source in sources] == [[(1, b"{\n}")], [(1, None)]]


def test_folder(tmp_path: Path) -> None:
    """DICOMDIR and links to files of the folder are passed over; links out of it and other files are refused."""
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for one in (folder / "deep", outside):
        one.mkdir(parents=True)
    image = b"\0" * 128 + b"DICM"
    for path in (folder / "deep" / "image", folder / "DICOMDIR", outside / "image"):
        path.write_bytes(image)
    (folder / "note.txt").write_text("nothing to import")
    os.mkfifo(folder / "pipe")
    (folder / "within").symlink_to(folder / "deep" / "image")
    (folder / "round").symlink_to(folder)
    (folder / "out").symlink_to(outside / "image")
    (folder / "away").symlink_to(outside)
    found = find([folder])
    assert [source.path for source in found.sources] == [folder / "deep" / "image"]
    assert found.skipped == 3
    assert sorted(found.refused) == [
        (folder / "away", OUTSIDE),
        (folder / "note.txt", NEITHER),
        (folder / "out", OUTSIDE),
        (folder / "pipe", NEITHER),
    ]
