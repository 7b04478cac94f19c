"""Text in DICOM's character sets, to Python strings.

Spec: PS3.3 C.12.1.1.2, PS3.5 6.1 and annexes H, I, J, K (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

CODEC = {
    "": "latin_1",  # ISO_IR 6; bytes above 7F are against the standard but common, and latin_1 never fails
    "ISO_IR 6": "latin_1",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
"""The Python codec of each defined term without code extensions; `ISO 2022 IR n` starts as `ISO_IR n`."""

ESCAPED = {
    b"(B": "latin_1",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-L": "iso8859_5",
    b"-G": "iso8859_6",
    b"-F": "iso8859_7",
    b"-H": "iso8859_8",
    b"-M": "iso8859_9",
    b"-b": "iso8859_15",
    b"-T": "iso8859_11",
    b")I": "shift_jis",
    b"(J": "shift_jis",
    b"$B": "iso2022_jp",
    b"$(D": "iso2022_jp_2",
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
}
"""The Python codec after each escape sequence."""

STATEFUL = frozenset({"iso2022_jp", "iso2022_jp_2"})
"""Codecs that read the escape sequence themselves."""

BYTE_DELIMITER = re.compile(rb"[\\^=\t\n\f\r]")


@lru_cache(maxsize=256)
def codec(terms: Sequence[str]) -> str:
    """The codec in force at the start of each value; an unknown term is read as latin_1, so that nothing is lost."""
    first = terms[0] if terms else ""
    return CODEC.get(first.replace("ISO 2022 IR ", "ISO_IR "), "latin_1")


def decode(raw: bytes, initial: str) -> str:
    """`raw` as text. Bytes that the codec does not know become U+FFFD: the blob keeps the original.

    Escape sequences are honoured wherever they occur, also where Specific Character Set announces none.
    """
    if b"\x1b" not in raw:
        return raw.decode(initial, "replace")
    head, *parts = raw.split(b"\x1b")
    return head.decode(initial, "replace") + "".join(_escaped(part, initial) for part in parts)


def _escaped(part: bytes, initial: str) -> str:
    """The text after one ESC; a delimiter ends the extension and puts the initial set back in force."""
    sequence = next((part[:length] for length in (3, 2) if part[:length] in ESCAPED), None)
    if sequence is None:
        return (b"\x1b" + part).decode(initial, "replace")
    name = ESCAPED[sequence]
    if name in STATEFUL:
        return (b"\x1b" + part).decode(name, "replace")
    body = part[len(sequence) :]
    end = BYTE_DELIMITER.search(body)
    if end is None:
        return body.decode(name, "replace")
    return body[: end.start()].decode(name, "replace") + body[end.start() :].decode(initial, "replace")
