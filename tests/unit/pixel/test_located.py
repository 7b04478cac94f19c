"""Frames that another process reads: the bytes that this one would have read, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.archive.local import LocalArchive
from dicomweb.dicomjson.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, RLE_LOSSLESS
from dicomweb.pixel.frames import Located, located, read
from dicomweb.pixel.layout import Layout, Pixels
from healix_fhir.kernel.errors import Category, HealixError

DATA = bytes(range(100)) * 2
PIXELS = Pixels(2, 5, 1, 16, "MONOCHROME2", 0, 3, "OW")
NATIVE = Layout({}, PIXELS, start=40, length=60)
FRAGMENTS = Layout(
    {}, PIXELS, encapsulated=True, offsets=(8, 30, 60, 90), lengths=(10, 20, 20, 5), firsts=(0, 2, 3), located=True
)


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    """An archive with one blob."""
    found = LocalArchive(tmp_path)
    (tmp_path / "blobs" / "key").write_bytes(DATA)
    return found


@pytest.mark.parametrize(("syntax", "layout"), [(EXPLICIT_LITTLE, NATIVE), (RLE_LOSSLESS, FRAGMENTS)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_lies_in_a_file_is_read_there(archive: LocalArchive, syntax: str, layout: Layout, number: int) -> None:
    """Frames that are served as they lie are told by where that is, also those of several fragments."""
    found = located(archive, "key", syntax, layout, number)
    assert isinstance(found, Located)
    assert found.read() == read(archive, "key", syntax, layout, number)


def test_what_must_be_turned_is_read_at_once(archive: LocalArchive) -> None:
    """A frame in big endian is handed over in little endian."""
    found = located(archive, "key", EXPLICIT_BIG, NATIVE, 2)
    assert found == read(archive, "key", EXPLICIT_BIG, NATIVE, 2)


def test_a_file_that_went_away_or_was_cut_is_unavailable(archive: LocalArchive, tmp_path: Path) -> None:
    """Who asks is told to try again, as by an archive."""
    found = located(archive, "key", EXPLICIT_LITTLE, NATIVE, 3)
    assert isinstance(found, Located)
    for change in (lambda: (tmp_path / "blobs" / "key").write_bytes(DATA[:90]), (tmp_path / "blobs" / "key").unlink):
        change()
        with pytest.raises(HealixError) as caught:
            found.read()
        assert caught.value.category is Category.UNAVAILABLE
