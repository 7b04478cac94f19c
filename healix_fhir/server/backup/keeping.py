"""Keeping only the newest backups of a folder or bucket, and the blobs that these name."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby

from healix_fhir.kernel.errors import invalid
from healix_fhir.server.backup.manifest import BACKUPS, BLOBS, Blob, blob_piece, blobs_of, load, taken
from healix_fhir.server.backup.pieces import DamagedError, Pieces

REMOVED = 1000


def keep_newest(pieces: Pieces, count: int) -> int:
    """Remove whole backups but the `count` newest, then blobs that none of these names; how many backups.

    Manifests go first: what is cut off here is no whole backup any more, and its pieces go the next time. Raises
    Invalid, with all blobs still there, when a backup that stays cannot be read.
    """
    whole, _ = taken(pieces)
    old, stay = whole[:-count], whole[-count:]
    lists = [blobs_of(pieces, load(pieces, name).lists) for name in stay]
    names = [path for name in old for path in pieces.store.names(f"{BACKUPS}{name}/")]
    names.sort(key=lambda path: not path.endswith("/manifest"))
    pieces.store.remove(names)
    try:
        _sweep(pieces, lists)
    except DamagedError as error:
        raise invalid(f"blobs of removed backups are kept, since a backup is damaged: {error}") from error
    return len(old)


def _sweep(pieces: Pieces, lists: list[Iterator[Blob]]) -> None:
    """Remove the pieces of blobs that no backup names, one directory of 256 at a time."""
    named = groupby(heapq.merge(*lists, key=lambda blob: blob.key), key=lambda blob: blob.key[:2])
    spread, blobs = next(named, ("", iter(())))
    for number in range(256):
        directory = f"{number:02x}"
        wanted: set[str] = set()
        if spread == directory:
            wanted = {name for blob in blobs for name in _pieces(blob)}
            spread, blobs = next(named, ("", iter(())))
        gone = [name for name in pieces.store.names(f"{BLOBS}{directory}/") if name not in wanted]
        for start in range(0, len(gone), REMOVED):
            pieces.store.remove(gone[start : start + REMOVED])


def _pieces(blob: Blob) -> Iterator[str]:
    return (blob_piece(blob.key, number) for number in range(len(blob.pieces)))
