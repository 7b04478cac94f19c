"""The corpus by STOW-RS: what is refused and why, and what comes out again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dicomweb.pixel.syntaxes import COMPRESSED
from dicomweb.status import Reason
from tests.integration.corpora.archive import (  # noqa: F401 - the tests are collected here
    SCOPE,
    Archive,
    accepted,
    test_a_file_comes_out_as_it_went_in,
    test_nothing_else_is_there,
)
from tests.support.corpora import File, corpus
from tests.support.decoders import decoded, differ, has_frames
from tests.support.exclusions import exclusions
from tests.support.live_server import live_server
from tests.support.parts import parts
from tests.support.stow import HEADERS, body

pytestmark = [
    pytest.mark.spec("PS3.18 10.4.1.1.1"),
    pytest.mark.spec("PS3.18 10.4.1.1.5"),
    pytest.mark.filterwarnings("ignore"),  # pydicom warns of much that is in these files
]

BATCH = 40
UNCOMPRESSED = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'}
LOSSY = frozenset(uid for uid, kind in COMPRESSED.items() if not kind.lossless)
TOLERANCE = 2
"""Two decoders of a lossy compression may differ by this, from rounding."""


@pytest.fixture(scope="module")
def archive(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A server that took the good files in batches, and the others one by one."""
    with (
        live_server(module_database_url, tmp_path_factory.mktemp("stowed")) as server,
        server.client(SCOPE) as client,
    ):
        good = list(accepted().values())
        for first in range(0, len(good), BATCH):
            content = body([file.content for file in good[first : first + BATCH]])
            answer = client.post("/dicomweb/studies", content=content, headers=HEADERS)
            assert answer.status_code == 200, (first, answer.text[-3000:])
        refused: dict[str, int] = {}
        for name in corpus().keys() - accepted().keys():
            answer = client.post("/dicomweb/studies", content=body([corpus()[name].content]), headers=HEADERS)
            assert answer.status_code == 409, (name, answer.text)
            (refused[name],) = _reasons(answer.json())
        yield Archive(server, client, accepted(), exact=True, refused=refused)


def _reasons(answer: Mapping[str, Any]) -> Iterator[int]:
    """The Failure Reasons of an answer."""
    for tag in ("00081198", "0008119A"):
        for item in answer.get(tag, {}).get("Value", []):
            yield item["00081197"]["Value"][0]


@pytest.mark.spec("PS3.18 I.2.2")
def test_what_is_refused_is_told_why(archive: Archive) -> None:
    """What is not whole or breaks the rules cannot be understood; what is announced as another does not match; a
    directory is no object to be stored, and a palette none of a patient.
    """
    listed = {name: int(reason[:4], 16) for name, reason in exclusions("corpus-refused").items()}
    refused = corpus().keys() - accepted().keys()
    elsewhere = (name for name in refused if "DICOMDIR" in name or name.startswith("palettes/"))
    listed |= dict.fromkeys(elsewhere, Reason.SOP_CLASS_NOT_SUPPORTED)
    assert archive.refused == {name: listed.get(name, Reason.CANNOT_UNDERSTAND) for name in refused}


@pytest.mark.spec("PS3.18 10.4.1.1.6")
@pytest.mark.parametrize("file", [pytest.param(file, id=name) for name, file in accepted().items() if has_frames(file)])
def test_frames_are_exact_to_the_pixel(archive: Archive, file: File, tmp_path: Path) -> None:
    """The first and the last frame, uncompressed, have the pixels that another decoder finds in the file."""
    known = exclusions("corpus-frames")
    if file.name in known:
        return
    wanted = decoded(file, tmp_path)
    for number in {1, len(wanted)}:
        (part,) = parts(archive.client.get(f"{file.path}/frames/{number}", headers=UNCOMPRESSED))
        assert differ(part.content, wanted[number - 1], file) <= (TOLERANCE if file.syntax in LOSSY else 0)
