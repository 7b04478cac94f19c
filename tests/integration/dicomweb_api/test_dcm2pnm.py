"""Rendered images held to those that dcmtk draws of the same files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.corpora import corpus
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body
from tests.support.tools import require_tool

NAMES = [
    "CT_small.dcm", "ExplVR_BigEnd.dcm", "JPEG-lossy.dcm", "MR_small_RLE.dcm", "MR_small_padded.dcm",
    "SC_jpeg_no_color_transform.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_jpeg_app14_dcmd.dcm",
    "SC_rgb_rle_16bit.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_ybr_full_422_uncompressed.dcm", "examples_overlay.dcm",
    "examples_palette.dcm", "examples_ybr_color.dcm", "liver_1frame.dcm", "rtdose_rle_1frame.dcm",
]  # fmt: skip
"""Windows, palettes, overlays and colour models, natively, in RLE and in JPEG, as far as dcmtk decodes them."""


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of an empty server."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def rgb(picture: Any) -> Any:
    """The pixels of a picture as red, green and blue."""
    return np.asarray(Image.open(picture).convert("RGB")).astype(int)


@pytest.mark.spec("PS3.18 8.7.4")
def test_dcmtk_draws_the_same(client: httpx.Client, tmp_path: Path) -> None:
    """By an error of one grey value at most the first frame is what `dcmj2pnm` draws with the file's first window."""
    program = require_tool("dcmj2pnm")
    files = corpus()
    for name in NAMES:
        file = files[f"test_files/{name}"]
        assert file.data_set is not None
        (tmp_path / name).write_bytes(file.content)
        window = ["+Wi", "1"] if "WindowCenter" in file.data_set else ["+Wm"]
        command = [program, "--write-png", "--frame", "1", *window, str(tmp_path / name), str(tmp_path / "drawn.png")]
        subprocess.run(command, capture_output=True, check=True)
        stored = client.post("/dicomweb/studies", content=body([file.content]), headers=HEADERS)
        assert stored.status_code == 200, name
        answer = client.get(f"{file.path}/frames/1/rendered", headers={"Accept": "image/png"})
        ours, theirs = rgb(BytesIO(answer.content)), rgb(tmp_path / "drawn.png")
        assert ours.shape == theirs.shape, name
        assert np.abs(ours - theirs).max() <= 1, name
