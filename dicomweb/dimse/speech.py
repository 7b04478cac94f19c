r"""Text in the character set that a peer asked for.

A value is said in the peer's Specific Character Set if that can say it, with code extensions where it names some; what
it cannot say at all is said in UTF-8. Sets of one byte and ISO 2022 sets of two are tried for each run between
delimiters, since a run begins with the first set in force.

Spec: PS3.3 C.12.1.1.2, PS3.5 6.1.2.5.3 and annexes H, I, J, K (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from dicomweb.dicomjson.charset import CODEC

UTF_8: Final = "ISO_IR 192"
ESCAPE: Final = b"\x1b"
ASCII_AGAIN, ROMAN_AGAIN = b"\x1b(B", b"\x1b(J"
KATAKANA = re.compile(r"[\x20-\x7d\uff61-\uff9f\t\n\f\r]*").fullmatch
"""What JIS X 0201 has in common with Unicode's ASCII, the backslash as the delimiter it is, and katakana."""

EXTENSIONS: dict[str, tuple[str, bytes]] = {
    "ISO 2022 IR 6": ("ascii", b"(B"),
    "ISO 2022 IR 100": ("latin_1", b"-A"),
    "ISO 2022 IR 101": ("iso8859_2", b"-B"),
    "ISO 2022 IR 109": ("iso8859_3", b"-C"),
    "ISO 2022 IR 110": ("iso8859_4", b"-D"),
    "ISO 2022 IR 144": ("iso8859_5", b"-L"),
    "ISO 2022 IR 127": ("iso8859_6", b"-G"),
    "ISO 2022 IR 126": ("iso8859_7", b"-F"),
    "ISO 2022 IR 138": ("iso8859_8", b"-H"),
    "ISO 2022 IR 148": ("iso8859_9", b"-M"),
    "ISO 2022 IR 203": ("iso8859_15", b"-b"),
    "ISO 2022 IR 166": ("iso8859_11", b"-T"),
    "ISO 2022 IR 13": ("shift_jis", b")I"),
    "ISO 2022 IR 87": ("iso2022_jp", b""),
    "ISO 2022 IR 159": ("iso2022_jp_2", b""),
    "ISO 2022 IR 149": ("euc_kr", b"$)C"),
    "ISO 2022 IR 58": ("gb2312", b"$)A"),
}
"""Codec and escape sequence of each set of a code extension; two codecs write the sequence themselves."""

DELIMITERS: Final = {"PN": re.compile(r"([\\^=])"), "": re.compile(r"([\\\t\n\f\r])")}
"""After what the first set is in force again, by value representation."""


class UnsayableError(Exception):
    """The character set has not all of the characters."""


Say = Callable[[str, str], bytes]
"""The bytes of a text, of a value representation. Raises UnsayableError."""


@lru_cache(maxsize=64)
def speaker(terms: tuple[str, ...]) -> Say:
    """What says text in a Specific Character Set; of unknown terms only the default repertoire."""
    first = terms[0] if terms else ""
    initial = first.replace("ISO 2022 IR ", "ISO_IR ") if first.startswith("ISO 2022") else first
    codec = "ascii" if initial in ("", "ISO_IR 6") else CODEC.get(initial, "ascii")
    extensions = [EXTENSIONS[term] for term in terms[1:] if term in EXTENSIONS]
    again = ROMAN_AGAIN if initial == "ISO_IR 13" else ASCII_AGAIN

    def say(text: str, vr: str) -> bytes:
        if text.isascii() and codec != "shift_jis":
            return text.encode()
        if not extensions:
            return _encoded(text, codec)
        runs = DELIMITERS.get(vr, DELIMITERS[""]).split(text)
        return b"".join(_run(run, codec, extensions, again) for run in runs)

    return say


def _run(run: str, initial: str, extensions: Sequence[tuple[str, bytes]], again: bytes) -> bytes:
    """A run without delimiters: in the first set, else in the first of the others that has all of it."""
    try:
        return _encoded(run, initial)
    except UnsayableError:
        pass
    for codec, sequence in extensions:
        try:
            content = _encoded(run, codec)
        except UnsayableError:
            continue
        if not sequence:
            return content.replace(ASCII_AGAIN, again)
        return ESCAPE + sequence + content
    raise UnsayableError


def _encoded(text: str, codec: str) -> bytes:
    if codec == "shift_jis" and not KATAKANA(text):
        raise UnsayableError
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise UnsayableError from error
