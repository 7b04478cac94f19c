"""A live server for the tests of the DICOMweb edge, and a small study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.support.ct import ct_image
from tests.support.live_server import LiveServer, live_server


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server on a database of its own."""
    with live_server(database_url, tmp_path / "data") as running:
        yield running


@pytest.fixture
def study(tmp_path: Path) -> list[Dataset]:
    """Three images of one study: two in one series, one of two frames in another."""
    uid, first, second = (str(generate_uid(prefix=None)) for _ in range(3))
    for number, series, frames in ((1, first, 1), (2, first, 1), (3, second, 2)):
        ct_image(tmp_path / f"{number}.dcm", study=uid, series=series, number=number, frames=frames)
    return [dcmread(tmp_path / f"{number}.dcm") for number in (1, 2, 3)]
