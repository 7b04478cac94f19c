"""Compressed request bodies: unpacked piece by piece, within bounds."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
import zstandard

from dicomweb.api import decoding
from dicomweb.api.decoding import Unpacked, coding
from healix_fhir.kernel.errors import Category, HealixError

MOST = 1 << 30
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


class Body:
    """What has come through."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.largest = self.size = 0
        self.closed = False

    def feed(self, chunk: bytes | memoryview) -> None:
        """Some of it."""
        self.largest = max(self.largest, len(chunk))
        self.size += len(chunk)
        if self.size < MOST >> 6:
            self.content += chunk

    def close(self) -> None:
        """All of it."""
        self.closed = True


def unpack(name: str, packed: bytes, *, step: int = 1000, most: int = MOST) -> Body:
    """The body that comes in pieces of `step` bytes."""
    body = Body()
    unpacked = Unpacked(name, body, most)
    for start in range(0, len(packed), step):
        unpacked.feed(packed[start : start + step])
    unpacked.close()
    return body


@pytest.mark.spec("RFC 9110 8.4")
@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("step", [1, 777, 1 << 20])
def test_a_body_comes_through_whatever_its_pieces(name: str, step: int) -> None:
    """Also when it is of several members or frames."""
    first, second = b"first " * 5000, bytes(range(256)) * 300
    body = unpack(name, PACK[name](first) + PACK[name](second), step=step)
    assert (bytes(body.content), body.closed) == (first + second, True)


@pytest.mark.parametrize("name", PACK)
def test_a_body_that_is_cut_off_is_refused(name: str) -> None:
    """Wherever it ends before its end, also before its first byte."""
    packed = PACK[name](b"content " * 100)
    for length in range(len(packed)):
        with pytest.raises(HealixError) as caught:
            unpack(name, packed[:length])
        assert caught.value.category is Category.INVALID


@pytest.mark.parametrize("name", PACK)
def test_a_bomb_is_refused_before_it_fills_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to more than is allowed for what came is refused on its way, and comes in pieces until then."""
    monkeypatch.setattr(decoding, "bound", lambda came: (8 << 20) + came)
    packed, body = PACK[name](bytes(64 << 20)), Body()
    with pytest.raises(HealixError) as caught:
        Unpacked(name, body, MOST).feed(packed)
    assert caught.value.category is Category.TOO_LARGE
    assert body.size <= (8 << 20) + len(packed)
    assert unpack(name, PACK[name](bytes(4 << 20))).largest <= 4 << 20


@pytest.mark.parametrize("name", PACK)
def test_what_a_request_may_have_is_counted_unpacked(name: str) -> None:
    """One byte more is too large."""
    assert unpack(name, PACK[name](bytes(500)), most=500).size == 500
    with pytest.raises(HealixError) as caught:
        unpack(name, PACK[name](bytes(501)), most=500)
    assert caught.value.category is Category.TOO_LARGE


@pytest.mark.parametrize("name", PACK)
def test_a_body_of_nothing_has_an_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty members and frames unpack to nothing however many come: they are too large in the end."""
    monkeypatch.setattr(decoding, "SLACK", 1000)
    empty = PACK[name](b"")
    assert unpack(name, empty * 5, most=500).size == 0
    with pytest.raises(HealixError) as caught:
        unpack(name, empty * 1000, most=500)
    assert caught.value.category is Category.TOO_LARGE


@pytest.mark.parametrize("name", PACK)
def test_what_is_not_compressed_so_is_refused(name: str) -> None:
    """Plain bytes under the name of a coding are Invalid."""
    with pytest.raises(HealixError) as caught:
        unpack(name, b"--boundary\r\n" * 10)
    assert caught.value.category is Category.INVALID


@pytest.mark.parametrize(
    ("named", "found"),
    [("", None), ("identity", None), ("gzip", "gzip"), ("x-gzip", "gzip"), (" ZSTD ", "zstd")],
)
def test_codings_are_known_by_their_names(named: str, found: str | None) -> None:
    """Of any case; gzip also by its old name."""
    assert coding(named) == found


@pytest.mark.parametrize("named", ["br", "deflate", "gzip, gzip", "gzip, zstd", "x"])
def test_other_codings_are_refused_by_name(named: str) -> None:
    """415, with what is taken."""
    with pytest.raises(HealixError, match="gzip or zstd") as caught:
        coding(named)
    assert caught.value.category is Category.UNSUPPORTED_MEDIA
