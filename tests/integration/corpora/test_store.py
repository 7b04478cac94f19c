"""The corpus by C-STORE, sent by dcmtk's `storescu`, and what comes out again over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomweb.dimse.limits import Limits
from healix_fhir.kernel.database import open_pool
from tests.integration.corpora.archive import (  # noqa: F401 - the tests are collected here
    SCOPE,
    Archive,
    accepted,
    test_a_file_comes_out_as_it_went_in,
    test_nothing_else_is_there,
)
from tests.support.corpora import File
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.exclusions import exclusions
from tests.support.live_server import live_server
from tests.support.tools import require_tool

pytestmark = [
    pytest.mark.spec("PS3.4 B.4.2"),
    pytest.mark.filterwarnings("ignore"),  # pydicom warns of much that is in these files
]

PROPOSED = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""The option of `storescu` that proposes a transfer syntax."""


@pytest.fixture(scope="module")
def archive(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A server that got the good files over one association for each transfer syntax."""
    folder = tmp_path_factory.mktemp("sent")
    with (
        live_server(module_database_url, folder / "data") as server,
        server.client(SCOPE) as client,
        open_pool(module_database_url, size=4) as pool,
        serving_dimse(server.settings, pool, Limits()) as port,
    ):
        for option, files in _by_option().items():
            paths = [_written(folder, file) for file in files]
            target = ["-aet", CALLER, "-aec", "HEALIX", "127.0.0.1", str(port)]
            done = subprocess.run(
                [require_tool("storescu"), "-R", "-nh", option, *target, *map(str, paths)],
                check=False, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        yield Archive(server, client, sendable())


def sendable() -> dict[str, File]:
    """The good files that dcmtk reads."""
    unread = exclusions("storescu-unread")
    return {name: file for name, file in accepted().items() if name not in unread}


def _by_option() -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in sendable().values():
        found.setdefault(PROPOSED[file.syntax], []).append(file)
    return found


def _written(folder: Path, file: File) -> Path:
    path = folder / f"{file.uids[2]}.dcm"
    path.write_bytes(file.content)
    return path
