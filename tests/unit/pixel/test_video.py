"""What real encoders write, as short as they can: ten pictures of 64 by 48, 25 a second, of a test pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.pixel import video
from healix_fhir.kernel.errors import Category, HealixError

VIDEOS = Path(__file__).parents[2] / "support" / "videos"
SYNTAXES = {"h264.mp4": "102", "h265.mp4": "108", "fragmented.mp4": "102", "mpeg2.m2v": "100", "mpeg2.ts": "100"}
UNCOUNTED = ("fragmented.mp4", "mpeg2.ts")
"""Their pictures are counted by who decodes them."""


@pytest.mark.spec("PS3.5 8.2.7")
@pytest.mark.parametrize("name", SYNTAXES)
def test_a_real_video_tells_what_it_is(name: str) -> None:
    """Files of MP4, as a whole and in fragments, and streams of MPEG-2, bare and packed."""
    content = (VIDEOS / name).read_bytes()
    found = video.read(content, 0, len(content))
    assert (found.rows, found.columns, found.bits) == (48, 64, 10 if name == "h265.mp4" else 8)
    assert found.syntaxes[0] == f"1.2.840.10008.1.2.4.{SYNTAXES[name]}"
    assert found.frames == (None if name in UNCOUNTED else 10)
    assert found.milliseconds == (None if name == "fragmented.mp4" else 40)


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_video_that_is_cut_off_anywhere_is_read_or_refused(name: str) -> None:
    """Never anything else, wherever it ends and whichever of its bytes are wrong."""
    content = (VIDEOS / name).read_bytes()
    damaged = [content[:end] for end in range(0, len(content), 7)]
    damaged += [content[:at] + b"\xff\xff" + content[at + 2 :] for at in range(0, len(content) - 2, 7)]
    for one in damaged:
        try:
            found = video.read(one, 0, len(one))
        except HealixError as error:
            assert error.category in (Category.UNPROCESSABLE, Category.UNSUPPORTED_MEDIA)  # noqa: PT017 - either may be
        else:
            assert 0 < found.rows < 1 << 16
