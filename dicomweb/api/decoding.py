"""Request bodies that come compressed, unpacked while they come.

What is compressed may be a thousand times as large as what was sent: a body is refused once it has unpacked to more
than `inflate.bound` allows for what came of it, or to more than a request may have. It may also be of nothing but
empty frames: more than a request may have is not read either.

Spec: RFC 9110 8.4, RFC 1952 2.2 (members that follow each other), RFC 8878 3.1 and RFC 9659 (a window of 8 MB at most)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard

from dicomweb.dicomjson.inflate import STEP, bound
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large

GZIP = zlib.MAX_WBITS | 16
WINDOW = 8 << 20
SLICE = 1 << 10
"""Bytes that zstd takes at once: they unpack to 32 MB at most, 128 kB for every four."""
SLACK = 1 << 20
"""Bytes that a compressed body may be longer than what is in it, beside a sixty-fourth."""


class Fed(Protocol):
    """What takes a body in pieces."""

    def feed(self, chunk: bytes | memoryview) -> None:
        """The next bytes."""

    def close(self) -> None:
        """The body has ended."""


def coding(named: str) -> str | None:
    """The one coding that a Content-Encoding header names; None for none. Raises UnsupportedMedia for all others."""
    name = named.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return None
    if name not in _UNPACKED:
        raise HealixError(Category.UNSUPPORTED_MEDIA, "a request body may be compressed with gzip or zstd, once")
    return name


class Unpacked:
    """Takes a compressed body and hands on to `onward` what is in it, `most` bytes at most."""

    def __init__(self, coding: str, onward: Fed, most: int) -> None:
        self._unpack = _UNPACKED[coding]()
        self._onward = onward
        self._most = most
        self._came = self._made = 0

    def feed(self, chunk: bytes | memoryview) -> None:
        """The next bytes. Raises Invalid for what is not compressed so, TooLarge, and what is raised onward."""
        self._came += len(chunk)
        if self._came > self._most + self._most // 64 + SLACK:
            raise too_large("the compressed body is longer than what a request may have")
        for piece in self._unpack(bytes(chunk)):
            self._made += len(piece)
            if self._made > min(self._most, bound(self._came)):
                raise too_large("the body unpacks to more than a request may have")
            self._onward.feed(piece)

    def close(self) -> None:
        """The body has ended. Raises Invalid when it was cut off."""
        if not self._unpack.complete:
            raise invalid("the compressed body is cut off", code="incomplete")
        self._onward.close()


class _Gzip:
    """Members of gzip, one after the other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(GZIP)
        self.complete = False

    def __call__(self, pending: bytes) -> Iterator[bytes]:
        while pending:
            if self._member.eof:
                self._member = zlib.decompressobj(GZIP)
            try:
                piece = self._member.decompress(pending, STEP)
            except zlib.error as error:
                raise invalid("the body is not compressed with gzip", code="structure") from error
            pending = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self.complete = self._member.eof
            if piece:
                yield piece


class _Zstd:
    """Frames of zstd, one after the other."""

    def __init__(self) -> None:
        self._reader = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._frame = self._reader.decompressobj()
        self.complete = False

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        gathered = bytearray()
        for start in range(0, len(chunk), SLICE):
            for piece in self._slice(chunk[start : start + SLICE]):
                gathered += piece
                if len(gathered) >= STEP:
                    yield bytes(gathered)
                    gathered.clear()
        if gathered:
            yield bytes(gathered)

    def _slice(self, pending: bytes) -> Iterator[bytes]:
        while pending:
            if self._frame.eof:
                self._frame = self._reader.decompressobj()
            try:
                yield self._frame.decompress(pending)
            except zstandard.ZstdError as error:
                raise invalid("the body is not compressed with zstd", code="structure") from error
            pending = self._frame.unused_data if self._frame.eof else b""
            self.complete = self._frame.eof


_UNPACKED: dict[str, Callable[[], _Gzip | _Zstd]] = {"gzip": _Gzip, "zstd": _Zstd}
