"""A server with the corpus, and what is asked of it whichever way the corpus came in.

The tests are collected in the modules that import them, each with an `archive` of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from dicomweb.dicomjson.syntax import NATIVE
from tests.support.corpora import File, as_sent, bulk, corpus, read
from tests.support.exclusions import exclusions
from tests.support.live_server import LiveServer
from tests.support.parts import parts

SCOPE = "system/ImagingStudy.cruds"
OBJECT = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
PIXELS = "7FE00010"
AFTER_PREAMBLE = 128
OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}


@dataclass(frozen=True)
class Archive:
    """`there` are the files that it must have, `exact` means byte for byte but for the preamble, which is not of DICOM;
    `refused` are the reasons by name of those that it has not taken.
    """

    server: LiveServer
    client: httpx.Client
    there: Mapping[str, File]
    exact: bool = False
    refused: Mapping[str, int] = field(default_factory=dict)

    def files(self) -> list[Path]:
        """Every file of the archive, half-received ones too."""
        return [path for path in (self.server.settings.data_dir / "images").rglob("*") if path.is_file()]

    def instances(self) -> list[str]:
        """The SOP Instance UIDs of all rows."""
        found = self.client.get("/dicomweb/instances", params={"limit": 1000}).json()
        return [one["00080018"]["Value"][0] for one in found]


def accepted() -> dict[str, File]:
    """The files that are stored: those that say what they are, and are whole."""
    refused = exclusions("corpus-refused")
    return {name: file for name, file in corpus().items() if file.is_whole and name not in refused}


FILES = [pytest.param(file, id=name) for name, file in accepted().items()]


@pytest.mark.parametrize("file", FILES)
def test_a_file_comes_out_as_it_went_in(archive: Archive, file: File) -> None:
    """The instance has the data set that was stored, and each BulkDataURI of its metadata gives the bytes of its
    element, in little endian (compressed pixels are compared as frames).
    """
    if is_away(archive, file):
        return
    assert file.data_set is not None
    (part,) = parts(archive.client.get(file.path, headers=OBJECT))
    found = part.content
    assert not archive.exact or found[AFTER_PREAMBLE:] == file.content[AFTER_PREAMBLE:]
    stored = read(found)
    assert stored is not None
    assert as_sent(stored) == as_sent(file.data_set)
    (metadata,) = archive.client.get(f"{file.path}/metadata").json()
    for tag, value in bulk(file.data_set):
        if "BulkDataURI" in metadata.get(tag, {}) and not (tag == PIXELS and file.syntax not in NATIVE):
            (part,) = parts(archive.client.get(metadata[tag]["BulkDataURI"], headers=OCTETS))
            assert part.content == value, tag


def is_away(archive: Archive, file: File) -> bool:
    """Whether the file was not sent; then the archive must not have it."""
    away = file.name not in archive.there
    assert not away or archive.client.get(file.path).status_code == 404
    return away


def test_nothing_else_is_there(archive: Archive) -> None:
    """What was refused has left neither rows nor files."""
    assert sorted(archive.instances()) == sorted(file.uids[2] for file in archive.there.values())
    assert len(archive.files()) == len(archive.there)
