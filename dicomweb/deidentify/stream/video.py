"""What stored video says beside its pictures.

A video is an MP4 file or a bare stream. Streams that are packed with others in packets (MPEG-2 transport and program
streams) are refused by name: their tables and private streams are not looked through.

Spec: PS3.5 8.2.5 to 8.2.11 and A.4.5 (2024d); PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

from itertools import pairwise

from dicomweb.deidentify.stream import elementary, mp4
from dicomweb.deidentify.stream.refusal import refused, unseen
from dicomweb.deidentify.stream.whole import Change, Whole

MPEG_2 = tuple(f"1.2.840.10008.1.2.4.10{n}" for n in (0, 1))
H_265 = tuple(f"1.2.840.10008.1.2.4.10{n}" for n in (7, 8))
SEQUENCE, PACK = b"\0\0\1\xb3", b"\0\0\1\xba"
BARE = (b"\0\0\1", b"\0\0\0\1")
PACKET, SYNC = 188, 0x47


def changes(stream: Whole, transfer_syntax: str, *, sound: bool) -> list[Change]:
    """What is to be changed in a video, in order. Raises Unprocessable for one that cannot be looked through, or has
    `sound` where there must be none.
    """
    begin = stream.read(0, PACKET + 1)
    is_mpeg_2 = transfer_syntax.startswith(MPEG_2)
    hevc = transfer_syntax.startswith(H_265)
    if begin[4:8] == b"ftyp":
        return _apart(sorted(mp4.changes(stream, sound=sound)))
    if begin.startswith(PACK) or (begin[:1] == begin[-1:] == bytes([SYNC])):
        raise refused("its video is packed in a transport or program stream, which is not looked through")
    if not begin.startswith(SEQUENCE if is_mpeg_2 else BARE):
        raise refused("its video is neither an MP4 file nor a bare stream of its transfer syntax")
    return list(elementary.changes(stream, mpeg_2=is_mpeg_2, hevc=hevc))


def _apart(found: list[Change]) -> list[Change]:
    if any(one.at + one.length > after.at for one, after in pairwise(found)):
        raise unseen()
    return found
