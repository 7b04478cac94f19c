"""Whether a backup is whole: every piece that it names is read and held against its digest. Needs no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec

from healix_fhir.server.backup.lanes import ahead
from healix_fhir.server.backup.manifest import Manifest, blob_piece, blobs_of
from healix_fhir.server.backup.pieces import DamagedError, Piece, Pieces
from healix_fhir.server.backup.store import PIECE

NAMED = 100


class Verdict(msgspec.Struct):
    """What was read, how many pieces are damaged, and the first of them."""

    pieces: int = 0
    bytes: int = 0
    damaged: int = 0
    problems: list[str] = msgspec.field(default_factory=list)


def verify(pieces: Pieces, manifest: Manifest, advance: Callable[[int], None]) -> Verdict:
    """Read all pieces of a backup; one thread reads a list of blobs once more to name their pieces."""
    verdict = Verdict()

    def counted() -> Iterator[Piece]:
        for piece in _named(pieces, manifest):
            verdict.pieces += 1
            verdict.bytes += piece.size
            advance(piece.size)
            yield piece

    for problem in ahead(lambda piece: _problem(pieces, piece), counted()):
        if problem is not None:
            verdict.damaged += 1
            verdict.problems = [*verdict.problems, problem][:NAMED]
    return verdict


def _problem(pieces: Pieces, piece: Piece) -> str | None:
    try:
        pieces.read(piece)
    except DamagedError as error:
        return str(error)
    return None


def _named(pieces: Pieces, manifest: Manifest) -> Iterator[Piece]:
    """All pieces; of a list that is damaged, that itself."""
    for table in manifest.tables:
        yield from table.pieces
    for file in manifest.files:
        yield from file.pieces
    for piece in manifest.lists:
        yield piece
        with suppress(DamagedError):
            for blob in blobs_of(pieces, [piece]):
                for number, digest in enumerate(blob.pieces):
                    yield Piece(blob_piece(blob.key, number), min(PIECE, blob.size - number * PIECE), digest)
