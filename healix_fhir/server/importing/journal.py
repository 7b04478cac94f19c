"""Which DICOM files an import has done: what is started again after it was cut off goes on with the others.

A file counts as done while its size and time of change are the same. The entries of an import that has come to its end
are removed: started once more, it reads every file again. They lie in the database, so that a restored older one
remembers no files that it does not hold.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, LargeBinary, SmallInteger, Table, Text, func
from xxhash import xxh3_128_digest

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work, metadata

import_file = Table(
    "import_file",
    metadata,
    Column("run", LargeBinary, primary_key=True),  # which import: a hash of its paths
    Column("path", LargeBinary, primary_key=True),  # as the file system has it, which need not be text
    Column("size", BigInteger, nullable=False),
    Column("modified", BigInteger, nullable=False),  # nanoseconds
    Column("became", SmallInteger, nullable=False),  # Became
    Column("reasons", ARRAY(Text), nullable=False),
    Column("done", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="the files that an import under way has done; see server/importing/journal.py",
)

KEPT = "30 days"
"""How long an import that was cut off may be taken up again."""


class Became(IntEnum):
    """What became of a file."""

    STORED = 0
    DUPLICATE = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True)
class Todo:
    """A file to import, as it was when it was found."""

    path: Path
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a file; `before`: an import that was cut off had done it."""

    path: Path
    became: Became
    reasons: Sequence[str] = ()
    before: bool = False


def run_of(paths: Sequence[Path]) -> bytes:
    """What an import is known by: the places that it was given, in whatever order."""
    return xxh3_128_digest(b"\0".join(sorted(os.fsencode(path.resolve()) for path in paths)))


def done(run: bytes, files: Sequence[Todo]) -> Work[dict[Path, Done]]:
    """Those of `files` that are done; one statement."""
    rows = yield Statement(
        """SELECT f.path, f.became, f.reasons
           FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[]) AS x (path, size, modified)
           JOIN import_file f ON f.run = %s AND f.path = x.path AND f.size = x.size AND f.modified = x.modified""",
        (*_parameters(files), run),
    )
    found = ((Path(os.fsdecode(path)), became, reasons) for path, became, reasons in rows)
    return {path: Done(path, Became(became), reasons, before=True) for path, became, reasons in found}


def note(run: bytes, files: Sequence[tuple[Todo, Done]]) -> Statement:
    """Remember what became of files."""
    return Statement(
        """INSERT INTO import_file AS f (run, path, size, modified, became, reasons)
           SELECT %s, x.path, x.size, x.modified, x.became, string_to_array(x.reasons, E'\\n')
           FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::smallint[], %s::text[])
             AS x (path, size, modified, became, reasons)
           ON CONFLICT (run, path) DO UPDATE
             SET size = excluded.size, modified = excluded.modified, became = excluded.became,
                 reasons = excluded.reasons, done = now()""",
        (
            run,
            *_parameters([file for file, _ in files]),
            arrays.int2(made.became for _, made in files),
            arrays.text(
                "\n".join(" ".join(reason.replace("\0", "").split()) for reason in made.reasons) for _, made in files
            ),
        ),
    )


def forget(run: bytes) -> Statement:
    """Remove the entries of an import that has come to its end."""
    return Statement("DELETE FROM import_file WHERE run = %s", (run,))


def sweep() -> Statement:
    """Remove the entries of imports that nobody has taken up again."""
    return Statement(f"DELETE FROM import_file WHERE done < now() - interval '{KEPT}'")


def _parameters(files: Sequence[Todo]) -> tuple[object, object, object]:
    return (
        arrays.bytea(os.fsencode(file.path) for file in files),
        arrays.int8(file.size for file in files),
        arrays.int8(file.modified for file in files),
    )
