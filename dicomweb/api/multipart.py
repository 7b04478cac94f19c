"""A multipart body as a stream: pushed in as it arrives, handed out part by part, never whole in memory.

Spec: RFC 2046 5.1.1, RFC 2387; PS3.18 8.6.1.2 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from healix_fhir.kernel.errors import invalid, too_large

HEADER_LIMIT = 16 << 10
PREAMBLE_LIMIT = 64 << 10
PART_LIMIT = 100_000
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


class Sink(Protocol):
    """What takes the parts."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """A part starts; its headers by lower-case name."""

    def data(self, piece: bytes | memoryview) -> None:
        """Some of the part's content; at most what was pushed in at once. A view is of bytes, which stay."""

    def end(self) -> None:
        """The part is complete."""


class State(Enum):
    """Where in the body the reader is."""

    PREAMBLE = "preamble"
    HEADERS = "headers"
    OPENING = "opening"  # before the first byte of the content, which may be empty
    CONTENT = "content"
    EPILOGUE = "epilogue"


class Reader:
    """Splits what is pushed in at `boundary` and tells `sink`.

    Content is handed on as views of what was pushed in. Only the last bytes wait, in which a delimiter may begin.
    """

    def __init__(self, boundary: str, sink: Sink) -> None:
        if not BOUNDARY.fullmatch(boundary):
            raise invalid("the multipart boundary is missing or malformed", code="structure")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._sink = sink
        self._buffer = b"\r\n"  # the first delimiter may start the body
        self._at = 0  # how much of it was taken
        self._state = State.PREAMBLE
        self._parts = 0
        self._dropped = 0

    def feed(self, chunk: bytes | memoryview) -> None:
        """Push in the next bytes of the body. Raises Invalid or TooLarge for what is no such multipart."""
        if self._state is State.EPILOGUE:
            return
        pushed = chunk if isinstance(chunk, bytes) else bytes(chunk)
        if self._waits_for_nothing(pushed):
            self._emit(len(self._buffer))
            self._buffer, self._at = pushed, 0
        else:
            self._buffer += pushed
        while self._step():
            pass
        self._buffer, self._at = self._buffer[self._at :], 0

    def _waits_for_nothing(self, pushed: bytes) -> bool:
        """Whether no delimiter begins in the content that waits, as far as what is pushed in tells."""
        least = len(self._delimiter) - 1
        if self._state is not State.CONTENT or len(self._buffer) > least or len(pushed) < least:
            return False
        return (self._buffer + pushed[:least]).find(self._delimiter) < 0

    def close(self) -> None:
        """The body has ended. Raises Invalid when its last delimiter did not come: it was cut off."""
        if self._state is not State.EPILOGUE:
            raise invalid("the multipart body ends before its closing delimiter", code="incomplete")

    def _step(self) -> bool:
        """Take one thing off the buffer; False when more bytes are needed."""
        match self._state:
            case State.HEADERS:
                return self._headers()
            case State.OPENING:
                return self._open()
            case State.EPILOGUE:
                self._at = len(self._buffer)
                return False
            case _:
                return self._content()

    def _headers(self) -> bool:
        """The headers, from the line break that ends the delimiter's line to the empty line."""
        end = self._buffer.find(b"\r\n\r\n", self._at)
        if end < 0:
            if len(self._buffer) - self._at > HEADER_LIMIT:
                raise too_large(f"the headers of a part are larger than {HEADER_LIMIT >> 10} kB")
            return False
        self._parts += 1
        if self._parts > PART_LIMIT:
            raise too_large(f"a request may have at most {PART_LIMIT} parts")
        self._sink.begin(_parse_headers(self._buffer[self._at + 2 : end]))
        self._at = end + 2  # the last line break may be that of the delimiter, when there is no content
        self._state = State.OPENING
        return True

    def _open(self) -> bool:
        if len(self._buffer) - self._at < len(self._delimiter):
            return False
        if not self._buffer.startswith(self._delimiter, self._at):
            self._at += 2
        self._state = State.CONTENT
        return True

    def _content(self) -> bool:
        at = self._buffer.find(self._delimiter, self._at)
        if at < 0:
            self._emit(len(self._buffer) - len(self._delimiter) + 1)
            return False
        self._emit(at)
        after = at + len(self._delimiter)
        if self._buffer[after : after + 2] == b"--":
            self._finish_part()
            self._state = State.EPILOGUE
            return True
        line_end = self._buffer.find(b"\r\n", after)
        if line_end < 0 and len(self._buffer) - after <= HEADER_LIMIT:
            return False
        if line_end < 0 or self._buffer[after:line_end].strip(b" \t"):
            self._emit(after)  # only the beginning of a longer line: content
            return True
        self._finish_part()
        self._at = line_end
        self._state = State.HEADERS
        return True

    def _emit(self, end: int) -> None:
        """Hand what comes before `end` on, or drop it before the first part."""
        begin, self._at = self._at, max(end, self._at)
        if end <= begin:
            return
        if self._state is State.CONTENT:
            self._sink.data(memoryview(self._buffer)[begin:end])
        else:
            self._dropped += end - begin
            if self._dropped > PREAMBLE_LIMIT:
                raise invalid("the body does not begin with its multipart boundary", code="structure")

    def _finish_part(self) -> None:
        if self._state is State.CONTENT:
            self._sink.end()


class Single:
    """The same of a body that is one part by itself, of the media type `media`."""

    def __init__(self, media: str, sink: Sink) -> None:
        self._media = media
        self._sink = sink
        self._begun = False

    def feed(self, chunk: bytes | memoryview) -> None:
        """Push in the next bytes of the body."""
        if not self._begun and chunk:
            self._begun = True
            self._sink.begin({"content-type": self._media})
        self._sink.data(chunk)

    def close(self) -> None:
        """The body has ended. Raises Invalid when it was empty."""
        if not self._begun:
            raise invalid("the body is empty", code="required")
        self._sink.end()


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not line:
            continue
        if not colon:
            raise invalid("a part has a malformed header", code="structure")
        headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers
