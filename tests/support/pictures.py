"""Pictures for tests."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, claimed: tuple[int, int] | None = None) -> bytes:
    """A grey picture; with `claimed` its head says that it is of another size."""
    rows = b"".join(b"\0" + bytes(x % 256 for x in range(width)) for _ in range(height))
    head = struct.pack(">IIBBBBB", *(claimed or (width, height)), 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
