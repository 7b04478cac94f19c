"""Videos that are all header: as much of MP4 and MPEG-2 as tells their size, form and length."""

from __future__ import annotations

from struct import pack


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of an MP4 file."""
    inside = b"".join(content)
    return pack(">L4s", 8 + len(inside), kind) + inside


def mp4(width: int, height: int, *, frames: int, profile: int, level: int, hevc: bool = False) -> bytes:
    """An MP4 file with one track of 25 frames a second."""
    if hevc:
        coding = box(b"hvcC", bytes([1, profile]) + bytes(10) + bytes([level]) + bytes(10))
    else:
        coding = box(b"avcC", bytes([1, profile, 0, level, 255, 224, 0]))
    entry = bytes(24) + pack(">HH", width, height) + bytes(50) + coding
    samples = box(b"stsd", bytes(4), pack(">L", 1), box(b"hvc1" if hevc else b"avc1", entry))
    sizes = box(b"stsz", bytes(8), pack(">L", frames), bytes(4 * frames))
    media = box(b"mdhd", bytes(12), pack(">LL", 1000, frames * 40), bytes(4))
    track = box(b"trak", box(b"mdia", media, box(b"minf", box(b"stbl", samples, sizes))))
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", track) + box(b"mdat", bytes(100))


def elementary(width: int, height: int, *, frames: int) -> bytes:
    """An MPEG-2 elementary stream of 25 frames a second."""
    header = b"\0\0\1\xb3" + pack(">L", width << 20 | height << 8 | 0x13) + bytes([255] * 4)
    return header + b"\0\0\1\0picture." * frames
