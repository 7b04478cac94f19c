"""Studies written to folders and ZIP files, as they are stored and de-identified."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from dicomweb.deidentify.options import Option
from dicomweb.research import copies, export
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.research import project
from tests.support.study import SYSTEM, Store

FILES = [part10(with_pixels(data_set(1, series, instance))) for series in (1, 2) for instance in (1, 2)]


def nothing(_: int) -> None:
    """Nobody looks at the progress."""


@pytest.fixture
def filled(store: Store) -> Store:
    """A study of two series."""
    store.add(*FILES)
    return store


@pytest.mark.spec("PS3.10 8.6 (2024d)")
def test_studies_are_written_as_they_are_stored(filled: Store, tmp_path: Path) -> None:
    """A folder gets every file byte for byte, and a DICOMDIR that leads to each."""
    described = filled.run(export.sources(SYSTEM, [uid(1)]))
    done: list[int] = []
    assert export.stored(filled.archive, described, export.place(tmp_path / "out"), done.append) == 4
    assert sum(done) == sum(map(len, FILES))
    records = dcmread(tmp_path / "out" / "DICOMDIR").DirectoryRecordSequence
    found = [tmp_path.joinpath("out", *one.ReferencedFileID) for one in records if "ReferencedFileID" in one]
    assert sorted(path.read_bytes() for path in found) == sorted(FILES)


@pytest.mark.spec("PS3.15 E.3.9 (2026c)")
def test_what_is_refused_is_told_under_the_uid_of_the_result(store: Store, tmp_path: Path) -> None:
    """That is the one which the study has in the export, so also the old one where UIDs are retained."""
    store.add(part10(with_pixels(data_set(1, 1, 1, BurnedInAnnotation="YES"))), part10(data_set(1, 1, 2)))
    one = project(store.pool, "trial", Option.UIDS)
    found = [instance for instance, _ in store.run(export.sources(SYSTEM, [uid(1)]))]
    target = export.place(tmp_path / "out")
    report = export.deidentified(store.archive, one, found, target, processes=1, advance=nothing)
    assert [(study, line.instances, line.refused.total()) for study, line in report.studies.items()] == [(uid(1), 1, 1)]


@pytest.mark.spec("PS3.15 E.1.1 (2026c)")
@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_studies_are_written_de_identified(filled: Store, tmp_path: Path, name: str) -> None:
    """Every file of the set, its directory and the report have new UIDs and no name of the source."""
    one = project(filled.pool, "trial", Option.MODIFIED_DATES)
    found = [instance for instance, _ in filled.run(export.sources(SYSTEM, [uid(1)]))]
    target = export.place(tmp_path / name)
    report = export.deidentified(filled.archive, one, found, target, processes=1, advance=nothing)
    assert (report.instances, report.refused) == (4, 0)
    contents = _contents(tmp_path / name)
    assert set(contents) == {"DICOMDIR", *(f"DICOM/SE00000{s}/IM00000{i}" for s in (1, 2) for i in (1, 2))}
    for content in (*contents.values(), report.as_text().encode()):
        assert not [word for word in (b"Doe", b"House", uid(1).encode(), b"20260102") if word in content]
    image = dcmread(io.BytesIO(contents["DICOM/SE000002/IM000001"]))
    assert image.SOPInstanceUID == one.keys.uid(uid(1, 2, 1))
    assert one.keys.uid(uid(1)).encode() in contents["DICOMDIR"]
    assert "UIDs replaced: " in report.as_text()
    assert not list(filled.archive.incoming.iterdir())


@pytest.mark.parametrize("sources", [export.sources, copies.sources])
def test_a_study_that_is_not_there_is_named(filled: Store, sources: Callable[..., Work[list[Any]]]) -> None:
    """Who lists many is told which of them it is."""
    with pytest.raises(HealixError, match=f"^{re.escape(uid(9))}: there is no such study"):
        filled.run(sources(SYSTEM, [uid(1), uid(9)]))


def _contents(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("name", ["there", "there.zip"])
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    """A folder that has something in it and a file that is there are left alone."""
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"kept")
    else:
        path.mkdir()
        (path / "kept").touch()
    with pytest.raises(HealixError, match="there already"):
        export.place(path)
