"""Pictures from anywhere, made small."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from healix_fhir.care.reports.record.images import SIDE, small
from healix_fhir.kernel.errors import HealixError
from tests.support.pictures import png


def test_small() -> None:
    """A picture becomes a JPEG that is not larger than what is printed."""
    with Image.open(io.BytesIO(small(png(1800, 300)))) as found:
        assert (found.format, found.size) == ("JPEG", (SIDE, 150))


@pytest.mark.parametrize(
    "content",
    [b"", b"%PDF-1.7", b"GIF89a", png(40, 40)[:60], png(4, 4, claimed=(9000, 9000)), png(4, 4, claimed=(60000, 60000))],
)
def test_no_picture(content: bytes) -> None:
    """What is no picture, is cut off, of another format or a bomb, is none."""
    with pytest.raises(HealixError, match="picture"):
        small(content)
