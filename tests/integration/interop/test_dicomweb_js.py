"""The npm package dicomweb-client, the one that viewers are built on: every method of it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.support.dicom import ct, uid
from tests.support.node import installed
from tests.support.serve import Served

SCRIPTS = Path(__file__).parent / "node"
STUDY = 823
UIDS = (uid(STUDY), uid(STUDY, 1), uid(STUDY, 1, 1))
FILE = ct(STUDY, 1, 1, size=32, PatientID="P823")
WHOLE = hashlib.sha256(FILE).hexdigest()
PIXELS = hashlib.sha256(dcmread(BytesIO(FILE)).PixelData).hexdigest()
PNG = "89504e47"

WANTED: dict[str, Any] = {
    "storeInstances": [UIDS[2]],
    "searchForStudies": [UIDS[0]],
    "searchForSeries": [UIDS[1]],
    "searchForInstances": [UIDS[2]],
    "retrieveStudyMetadata": [UIDS[2]],
    "retrieveSeriesMetadata": [UIDS[2]],
    "retrieveInstanceMetadata": [UIDS[2]],
    "retrieveStudy": [len(FILE)],
    "retrieveSeries": [len(FILE)],
    "retrieveInstance": WHOLE,
    "retrieveInstanceFrames": [PIXELS],
    "retrieveBulkData": [PIXELS],
    "retrieveInstanceRendered": PNG,
    "retrieveInstanceThumbnail": PNG,
    "retrieveInstanceFramesRendered": PNG,
    "retrieveInstanceFramesThumbnail": PNG,
    "buildInstanceWadoURIUrl": WHOLE,
    "setDebug": False,
    "getDebug": False,
    "setVerbose": False,
    "getVerbose": False,
}


@pytest.fixture(scope="module")
def seen(served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client saw, by method."""
    folder, node = installed(SCRIPTS)
    file = tmp_path_factory.mktemp("js") / "one.dcm"
    file.write_bytes(FILE)
    token = served.token("system/ImagingStudy.cruds")
    command = [node, str(folder / "dicomweb-client.mjs"), f"{served.url}/dicomweb", token, *UIDS, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # the client talks before
    return found


def test_every_method_is_used(seen: dict[str, Any]) -> None:
    """The table has every method that the client has."""
    assert set(seen["methods"]) == WANTED.keys()


@pytest.mark.spec("PS3.18 10.4")
@pytest.mark.spec("PS3.18 10.6")
@pytest.mark.parametrize("method", WANTED)
def test_method(seen: dict[str, Any], method: str) -> None:
    """Each method gives what was stored."""
    assert seen[method] == WANTED[method]


def test_refusals(seen: dict[str, Any]) -> None:
    """What fails tells its status."""
    assert (seen["stranger"], seen["missing"]) == (401, 404)
