"""Hostile objects are refused with the right reason, and nothing of them stays in rows or on disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from dicomweb.dicomjson import inflate, walker
from dicomweb.status import Reason, reason
from dicomweb.study.receive import FileMeta, Receiver
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import bare, bomb, ct, data_set, deflated, encapsulated, nested, part10, rle, uid, with_pixels
from tests.support.study import Store


def refused(store: Store, file: bytes, meta: FileMeta | None = None) -> HealixError:
    """The refusal of an object, after which nothing is left."""
    with pytest.raises(HealixError) as caught:
        store.receive(file, meta)
    assert store.files() == []
    assert store.sql("SELECT count(*) FROM instance") == [(0,)]
    return caught.value


def pixels(**elements: object) -> Dataset:
    """A small image whose attributes lie."""
    ds = with_pixels(data_set())
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"DICM", id="four bytes"),
        pytest.param(bytes(128) + b"DICM", id="no File Meta Information"),
        pytest.param(b"%PDF-1.7" + bytes(500), id="another format"),
        pytest.param(bare(ct(size=8)), id="no preamble"),
        pytest.param(part10(data_set(StudyInstanceUID=None)), id="no study"),
        pytest.param(part10(data_set(SeriesInstanceUID="")), id="an empty series"),
        pytest.param(part10(pixels(NumberOfFrames=2**31 - 1)), id="two thousand million frames"),
        pytest.param(part10(pixels(NumberOfFrames=9)), id="more frames than pixels"),
        pytest.param(part10(pixels(Rows=65535, Columns=65535)), id="larger than its pixels"),
        pytest.param(part10(pixels(BitsAllocated=7)), id="seven bits"),
    ],
)
def test_what_cannot_be_understood(store: Store, file: bytes) -> None:
    """Refused as Invalid, which senders are told as `cannot understand`."""
    error = refused(store, file)
    assert reason(error) is Reason.CANNOT_UNDERSTAND


@pytest.mark.parametrize("encode", [part10, deflated, rle, lambda ds: encapsulated(ds, [b"\xff\xd8 1", b"\xff\xd8 2"])])
def test_cut_objects(store: Store, encode: Callable[[Dataset], bytes]) -> None:
    """An object that ends within its pixel data is refused, wherever it was cut."""
    file = encode(with_pixels(data_set(), bits=8))
    for missing in (1, 2, 9, 30):
        error = refused(store, file[:-missing])
        assert error.category is Category.INVALID


@pytest.mark.parametrize("hostile", ["../../../etc/passwd", "/etc/passwd", "1.2/../../x", "1.2.3\\4", "1..2", "1.02"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_paths_for_uids(store: Store, keyword: str, hostile: str) -> None:
    """A UID that is a path, or any other non-UID, is refused and never becomes a name."""
    file = bare(ct(size=8))
    value = {"StudyInstanceUID": uid(1), "SeriesInstanceUID": uid(1, 1), "SOPInstanceUID": uid(1, 1, 1)}[keyword]
    padded = value.encode() + b"\0" * (len(value) % 2)
    at = file.index(padded + b"\x20\x00" if keyword != "SOPInstanceUID" else padded)
    changed = file[:at] + hostile.encode().ljust(len(padded), b"\0") + file[at + len(padded) :]
    error = refused(store, changed, FileMeta("1.2.840.10008.5.1.4.1.1.2", uid(1, 1, 1), "1.2.840.10008.1.2.1"))
    assert reason(error) is Reason.CANNOT_UNDERSTAND
    assert hostile not in error.message


def test_deflate_bombs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small object that inflates beyond all bounds is refused as too large."""
    monkeypatch.setattr(inflate, "FLOOR", 1 << 20)
    error = refused(store, bomb(64 << 20))
    assert (error.category, reason(error)) == (Category.TOO_LARGE, Reason.OUT_OF_RESOURCES)


def test_deep_sequences(store: Store) -> None:
    """Sequences nested beyond the limit are refused."""
    assert refused(store, part10(nested(walker.DEPTH_LIMIT + 1))).category is Category.INVALID


def test_objects_beyond_the_limit(store: Store) -> None:
    """An object that passes the size limit is refused while it arrives."""
    incoming = Receiver(store.archive, max_object=1000).begin()
    with pytest.raises(HealixError) as caught:
        incoming.write(bytes(2000))
    incoming.abort()
    incoming.abort()
    assert caught.value.category is Category.TOO_LARGE
    assert store.files() == []


def test_an_object_that_is_not_what_was_announced(store: Store) -> None:
    """A data set whose UIDs are not those of its C-STORE request does not match."""
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", uid(9, 9, 9), "1.2.840.10008.1.2.1")
    error = refused(store, bare(ct(size=8)), meta)
    assert reason(error) is Reason.DATA_SET_DOES_NOT_MATCH


def test_a_transfer_syntax_that_breaks_the_rules(store: Store) -> None:
    """A private syntax with an encoding of its own is refused by name."""
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", uid(1, 1, 1), "1.2.840.113619.5.2")
    error = refused(store, bare(ct(size=8)), meta)
    assert reason(error) is Reason.TRANSFER_SYNTAX_NOT_SUPPORTED


@pytest.mark.parametrize("bad", ["", "1.2/..", "x"])
def test_a_bare_data_set_needs_valid_uids(store: Store, bad: str) -> None:
    """What a DIMSE association says of its object is checked before a file is made."""
    with pytest.raises(HealixError):
        Receiver(store.archive).begin(FileMeta("1.2", bad, "1.2.840.10008.1.2"))
    assert store.files() == []
