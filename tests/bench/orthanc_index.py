"""The index of Orthanc with as many studies as Healix has: written into its SQLite, since to send them takes too long.

As Orthanc 1.10 writes it (version 6 of its schema): a patient, a study, a series and an instance for each, with the
attributes that it answers and those, in capitals, that it looks for. Its files are not there: no query reads them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.bench.dimse_servers import orthanc

ORTHANCS = """SELECT study_uid, study_date, study_time, accession_number, study_description, study_id,
                     patient_name, patient_id, patient_birth_date FROM study ORDER BY pk"""
"""What of Healix's studies Orthanc has too."""
STUDY = ((32, 13), (8, 32), (8, 48), (8, 80), (8, 4144), (32, 16))
PATIENT = ((16, 16), (16, 32), (16, 48))
"""Groups and elements in the order of the columns."""
SOUGHT = frozenset({(32, 13), (8, 32), (8, 80), (8, 4144), *PATIENT})
RECEIVED, TRANSFER_SYNTAX, SOP_CLASS, INDEX = 2, 9, 10, 1
"""Kinds of metadata."""

Values = list[tuple[int, int, int, str]]


def prepare(data_dir: Path, studies: Sequence[Sequence[Any]]) -> None:
    """Make the index in the folder of an Orthanc that does not run."""
    with orthanc(data_dir):
        pass
    with closing(sqlite3.connect(data_dir / "storage" / "index")) as index, index:
        resources: list[tuple[int, int, str, int | None]] = []
        tags: Values = []
        metadata: list[tuple[int, int, str]] = []
        for number, study in enumerate(studies):
            first = 4 * number + 1
            resources += _resources(number, first)
            tags += _tags(first, study)
            metadata += [
                (first + 3, RECEIVED, "20260101T000000"),
                (first + 3, TRANSFER_SYNTAX, "1.2.840.10008.1.2.1"),
                (first + 3, SOP_CLASS, "1.2.840.10008.5.1.4.1.1.2"),
                (first + 3, INDEX, "1"),
            ]
        index.executemany("INSERT INTO Resources VALUES (?, ?, ?, ?)", resources)
        index.executemany("INSERT INTO MainDicomTags VALUES (?, ?, ?, ?)", tags)
        sought = [
            (id_, group, element, value.upper()) for id_, group, element, value in tags if _is_sought(group, element)
        ]
        index.executemany("INSERT INTO DicomIdentifiers VALUES (?, ?, ?, ?)", sought)
        index.executemany("INSERT INTO Metadata VALUES (?, ?, ?)", metadata)
        index.execute("ANALYZE")


def _resources(number: int, first: int) -> Iterator[tuple[int, int, str, int | None]]:
    """A patient, its study, that one's series and that one's instance."""
    for level in range(4):
        name = f"{number:08x}-{level:08x}-00000000-00000000-00000000"
        yield first + level, level + 1, name, first + level - 1 if level else None


def _tags(first: int, study: Sequence[Any]) -> Iterator[tuple[int, int, int, str]]:
    patient = list(zip(PATIENT, study[len(STUDY) :], strict=True))
    for holder, pairs in ((first, patient), (first + 1, [*zip(STUDY, study, strict=False), *patient])):
        yield from ((holder, *tag, value or "") for tag, value in pairs)
    yield first + 2, 32, 14, f"{study[0]}.1"
    yield first + 2, 8, 96, "CT"
    yield first + 3, 8, 24, f"{study[0]}.1.1"


def _is_sought(group: int, element: int) -> bool:
    return (group, element) in SOUGHT or (group, element) in ((32, 14), (8, 24))
