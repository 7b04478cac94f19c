"""The streamed multipart reader."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.api.multipart import Reader
from healix_fhir.kernel.errors import Category, HealixError


class Parts:
    """Collects the parts whole."""

    def __init__(self) -> None:
        self.parts: list[tuple[Mapping[str, str], bytes]] = []
        self.ended = 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Start a part."""
        self.parts.append((headers, b""))

    def data(self, piece: bytes | memoryview) -> None:
        """Append to it."""
        headers, content = self.parts[-1]
        self.parts[-1] = headers, content + bytes(piece)

    def end(self) -> None:
        """Count it as complete."""
        self.ended += 1


def read(body: bytes, step: int, boundary: str = "b1") -> Parts:
    """Push `body` in, `step` bytes at a time."""
    parts = Parts()
    reader = Reader(boundary, parts)
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    reader.close()
    return parts


def written(contents: list[bytes], boundary: bytes = b"b1") -> bytes:
    """A multipart body with these contents."""
    pieces = [b"--" + boundary + b"\r\nContent-Type: application/dicom\r\n\r\n" + content for content in contents]
    return b"\r\n".join(pieces) + b"\r\n--" + boundary + b"--\r\n"


@pytest.mark.spec("RFC 2046 5.1.1")
@given(
    st.lists(st.sampled_from([b"", b"\r\n", b"x--b1", b"\r\n--b", b"x\r\n--b1x\r\n", b"data\r\n\r\n"]), max_size=6),
    st.integers(1, 40),
)
def test_parts_come_out_as_they_went_in(pieces: list[bytes], step: int) -> None:
    """Contents that look like delimiters, however they arrive, come out unchanged."""
    contents = [*pieces, b"".join(pieces)]
    parts = read(written(contents), step)
    assert [content for _, content in parts.parts] == contents
    assert parts.ended == len(contents)
    assert all(headers == {"content-type": "application/dicom"} for headers, _ in parts.parts)


@pytest.mark.spec("RFC 2046 5.1.1")
def test_preamble_epilogue_and_parts_without_headers() -> None:
    """What stands before the first and after the last delimiter is left out; a part may have no headers."""
    parts = read(b"hello\r\n--b1 \r\n\r\none\r\n--b1--\r\nbye --b1", 3)
    assert parts.parts == [({}, b"one")]


@pytest.mark.parametrize(
    ("body", "category"),
    [
        (b"", Category.INVALID),
        (b"no boundary at all", Category.INVALID),
        (b"--b1\r\nA: b\r\n\r\ncut off", Category.INVALID),
        (b"--b1\r\nno header\r\n\r\nx\r\n--b1--", Category.INVALID),
        (b"--b1\r\nA: " + b"x" * 20_000, Category.TOO_LARGE),
        (b"x" * 70_000, Category.INVALID),
    ],
)
def test_malformed_bodies_are_refused(body: bytes, category: Category) -> None:
    """A body that is no complete multipart of this boundary is refused."""
    with pytest.raises(HealixError) as refused:
        read(body, 4096)
    assert refused.value.category is category


@pytest.mark.parametrize("boundary", ["", "a" * 71, "ends with space ", 'quo"te'])
def test_malformed_boundaries_are_refused(boundary: str) -> None:
    """A boundary outside of RFC 2046's grammar is refused."""
    with pytest.raises(HealixError):
        Reader(boundary, Parts())
