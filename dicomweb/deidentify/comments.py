"""Comments in compressed frames: encoders and converters write names into them, and no picture needs them.

They are overwritten where they are, so that all lengths and offsets stay. Application segments of JPEG that tell
decoders of colour stay; others, such as Exif, are treated as comments.

Spec: ISO/IEC 10918-1 B.2.4.5 and B.2.4.6, ISO/IEC 15444-1 A.9.2 (comment); PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

JPEG_FAMILY = "1.2.840.10008.1.2.4."
JPEG, JPEG_2000 = b"\xff\xd8", b"\xff\x4f"
JPEG_COMMENTS = frozenset({0xFE, *range(0xE0, 0xF0)} - {0xE0, 0xE2, 0xE8, 0xEE})
"""COM and APPn, but for those of JFIF, colour profiles, SPIFF and JPEG-LS, and Adobe."""
SOS, SOT, COM_2000 = 0xDA, 0x90, 0x64
USE = 2
"""Bytes at the beginning of a comment of JPEG 2000 that say what it consists of."""


def without_comments(begin: bytes) -> bytes | None:
    """The beginning of a fragment with empty comments; what is no beginning of a frame as it is.

    None where its header does not end in it, so that not all of it can be looked through.
    """
    if begin[:2] not in (JPEG, JPEG_2000):
        return begin
    newer = begin[:2] == JPEG_2000
    made = bytearray(begin)
    at = 2
    while at + 4 <= len(made) and made[at] == 0xFF:
        marker = made[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker == (SOT if newer else SOS):
            return bytes(made)
        end = at + 2 + int.from_bytes(made[at + 2 : at + 4], "big")
        start = at + 4 + (USE if newer else 0)
        if end < at + 4 or end > len(made):
            return None
        if start < end and (marker == COM_2000 if newer else marker in JPEG_COMMENTS):
            made[start:end] = bytes(end - start)
        at = end
    return None
