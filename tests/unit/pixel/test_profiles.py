"""Colour profiles of pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from dicomweb.pixel.image import Image as Described
from dicomweb.pixel.profiles import SPACES, icc, profiled
from dicomweb.pixel.rendering import GIF, PNG, Look, Source, render
from healix_fhir.kernel.errors import Category, HealixError

COLOURS = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [200, 60, 90]]], np.uint8))
GREY = Image.fromarray(np.array([[0, 100, 255]], np.uint8))


@pytest.mark.parametrize("name", SPACES)
def test_the_profiles_are_read_by_others(name: str) -> None:
    """With their names, and their colours as their definitions have them."""
    opened = ImageCms.getOpenProfile(io.BytesIO(icc(name)))
    assert ImageCms.getProfileDescription(opened).strip() == SPACES[name].title
    found = opened.profile
    primaries = (found.red_primary, found.green_primary, found.blue_primary)
    colorants = (found.red_colorant, found.green_colorant, found.blue_colorant)
    for primary, expected in zip(primaries, SPACES[name].primaries, strict=True):
        if name == "rommrgb":  # the others are adapted to the white of the connection space
            assert primary is not None
            assert np.allclose(primary[1][:2], expected, atol=0.002)
    total = np.sum([one[0] for one in colorants if one is not None], axis=0)
    assert np.allclose(total, (0.9642, 1.0, 0.8249), atol=0.001)


def test_srgb_is_that_of_everybody() -> None:
    """Converted from the library's own sRGB to ours, no colour changes by more than rounding."""
    theirs = io.BytesIO(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    found = ImageCms.profileToProfile(COLOURS, theirs, io.BytesIO(icc("srgb")))
    assert found is not None
    assert np.abs(np.asarray(found).astype(int) - np.asarray(COLOURS)).max() <= 1


@pytest.mark.spec("PS3.18 8.3.5.1.5")
@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("adobergb", [(219, 0, 0), (144, 255, 60), (0, 0, 250), (127, 127, 127)]),
        ("rommrgb", [(179, 70, 26), (138, 237, 79), (86, 35, 235), (109, 109, 109)]),
        ("displayp3", [(234, 51, 35), (117, 251, 76), (0, 0, 245), (128, 128, 128)]),
    ],
)
def test_colours_are_converted_to_the_space_that_is_asked_for(space: str, expected: list[tuple[int, int, int]]) -> None:
    """Known values of the sRGB primaries and of a grey in other spaces."""
    found, profile = profiled(COLOURS, space, b"")
    assert profile == icc(space)
    assert np.abs(np.asarray(found)[0, :4].astype(int) - expected).max() <= 4


@pytest.mark.spec("PS3.18 8.3.5.1.5")
def test_yes_keeps_colours_and_gives_the_profile_of_the_image() -> None:
    """Or else that of sRGB."""
    own = icc("displayp3")
    assert profiled(COLOURS, "yes", own) == (COLOURS, own)
    assert profiled(COLOURS, "yes", b"") == (COLOURS, icc("srgb"))


def test_colours_of_the_image_are_read_by_its_own_profile() -> None:
    """What is red in a wide space is more than red in sRGB."""
    found, _ = profiled(COLOURS, "srgb", icc("displayp3"))
    assert np.asarray(found)[0, 4, 0] > np.asarray(COLOURS)[0, 4, 0]


def test_grey_values_become_colours_of_the_space() -> None:
    """A profile of colours does not fit a picture without."""
    found, profile = profiled(GREY, "srgb", b"")
    assert (found.mode, profile) == ("RGB", icc("srgb"))
    assert np.asarray(found)[0].tolist() == [[0, 0, 0], [100, 100, 100], [255, 255, 255]]


def test_a_broken_profile_is_refused_where_it_has_to_be_read() -> None:
    """Its bytes are passed on where it need not be."""
    assert profiled(COLOURS, "yes", b"x")[1] == b"x"
    with pytest.raises(HealixError) as refused:
        profiled(COLOURS, "srgb", b"x")
    assert refused.value.category is Category.UNPROCESSABLE


def test_the_file_of_a_picture_has_the_profile() -> None:
    """As PNG; a GIF can have none, which is said."""
    described = Described(1, 5, 3, photometric="RGB")
    source = Source(np.asarray(COLOURS).tobytes(), None, 1)
    made = render([source], described, {}, {}, Look(PNG, profile="adobergb"))
    assert Image.open(io.BytesIO(made)).info["icc_profile"] == icc("adobergb")
    assert "icc_profile" not in Image.open(io.BytesIO(render([source], described, {}, {}, Look(PNG)))).info
    with pytest.raises(HealixError, match="no colour profile"):
        render([source], described, {}, {}, Look(GIF, profile="srgb"))
