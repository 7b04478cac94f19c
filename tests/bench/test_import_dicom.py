"""`healix import` of a DICOM folder with two processes, as an operator runs it, beside STOW-RS of the same images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bench.stow_parts import Images, many, post
from tests.bench.web_servers import Served, database, healix

pytestmark = pytest.mark.bench

STUDIES, EACH, BATCH = 4, 150, 50
AT_LEAST = 0.8


def sent(served: Served, images: Images) -> None:
    """A study in batches."""
    for first in range(0, EACH, BATCH):
        post(served, many(images, range(first, first + BATCH)))


def test_folder(tmp_path: Path) -> None:
    """CT images of 526 kB are imported, the command's start included, nearly as fast as STOW takes them."""
    for study in range(STUDIES):
        images = Images()
        (tmp_path / "images" / str(study)).mkdir(parents=True)
        for number in range(EACH):
            (tmp_path / "images" / str(study) / f"{number}.dcm").write_bytes(images.file(number))
    total = STUDIES * EACH
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path / "database"))
        served = stack.enter_context(healix(url, tmp_path / "served", workers=2))
        os.sync()
        started = time.perf_counter()
        with ThreadPoolExecutor(STUDIES) as clients:
            list(clients.map(lambda images: sent(served, images), [Images() for _ in range(STUDIES)]))
        stow = total / (time.perf_counter() - started)
    options = ["--data-dir", str(tmp_path / "data"), "--processes", "2"]
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "import", str(tmp_path / "images"), *options]
    with database(tmp_path / "second") as url:
        os.sync()
        started = time.perf_counter()
        done = subprocess.run(command, env=os.environ | {"HEALIX_DATABASE_URL": url}, capture_output=True, check=False)
        took = time.perf_counter() - started
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout)["instances"] == total
    print(f"\nhealix import of {total} CT images: {total / took:.0f}/s in {took:.1f} s; STOW-RS {stow:.0f}/s")
    assert total / took >= AT_LEAST * stow
