"""Grey values as they are shown, held to the formulas of the standard written out value by value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.pixel.grey import Grey, Table, Window, grey
from dicomweb.pixel.image import Attributes, Image
from healix_fhir.kernel.errors import HealixError

CT = Image(4, 4, bits_allocated=16, bits_stored=16, signed=True)


def naive(value: float, window: Window) -> float:
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 for an output from 0 to 255."""
    center, width = window.center, window.width
    if window.function == "SIGMOID":
        return 255 / (1 + math.exp(min(700, max(-700, -4 * (value - center) / width))))
    if window.function == "LINEAR_EXACT":
        low, high = center - width / 2, center + width / 2
        inside = (value - center) / width + 0.5
    else:
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
        inside = (value - (center - 0.5)) / (width - 1) + 0.5 if width > 1 else 0
    return 0 if value <= low else 255 if value > high else inside * 255


@pytest.mark.spec("PS3.3 C.11.2.1.2")
@given(
    values=st.lists(st.integers(-32768, 32767), min_size=1, max_size=30),
    center=st.floats(-5000, 5000),
    width=st.floats(1, 9000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    slope=st.sampled_from([1.0, 0.5, 2.25]),
    intercept=st.sampled_from([0.0, -1024.0, 3.5]),
    inverse=st.booleans(),
)
def test_windows_follow_the_formulas_of_the_standard(
    values: list[int], center: float, width: float, function: str, slope: float, intercept: float, inverse: bool
) -> None:
    """Each value is shown as the window's function says of its rescaled value, light and dark changed where inverse."""
    window = Window(center, width, function)
    shown = Grey(slope, intercept, voi=window, inverse=inverse).eight_bits(np.asarray(values, np.int16))
    wanted = [naive(value * slope + intercept, window) for value in values]
    assert np.abs(shown - np.asarray([255 - one if inverse else one for one in wanted])).max() <= 0.5 + 1e-6


def attributes(**members: Any) -> Attributes:
    """Attributes from tags written as `t00281050=[40]`."""
    return Attributes({tag[1:]: {"Value": value} for tag, value in members.items()}, lambda _: b"")


def test_without_a_window_the_whole_range_is_shown() -> None:
    """The least value is black, the greatest white; padding is not counted and never lighter than white."""
    samples = np.asarray([[-2000, 0], [50, 100]], np.int16)
    shown = grey(attributes(t00280120=[-2000]), CT, 1, None).eight_bits(samples)
    assert shown.tolist() == [[0, 0], [128, 255]]


@pytest.mark.spec("PS3.3 C.11.2.1.1")
def test_a_voi_table_goes_before_nothing_but_a_window() -> None:
    """Values before the first entry get the first, those behind the last the last; a window in the request wins."""
    lut = {"00283002": {"Value": [3, 10, 8]}, "00283006": {"Value": [0, 51, 255]}}
    given_ = attributes(t00283010=[lut])
    samples = np.asarray([0, 10, 11, 12, 99], np.int16)
    assert grey(given_, CT, 1, None).eight_bits(samples).tolist() == [0, 0, 51, 255, 255]
    assert grey(given_, CT, 1, Window(11, 1)).eight_bits(samples).tolist() == [0, 0, 255, 255, 255]


def test_each_frame_of_an_enhanced_image_has_its_own_values() -> None:
    """Rescaling and window come from the frame's functional group, else from the shared one."""

    def group(slope: float, center: float) -> dict[str, Any]:
        return {
            "00289145": {"Value": [{"00281053": {"Value": [slope]}, "00281052": {"Value": [0]}}]},
            "00289132": {"Value": [{"00281050": {"Value": [center]}, "00281051": {"Value": [2]}}]},
        }

    given_ = attributes(t52009230=[group(1, 5), {}], t52009229=[group(2, 7)])
    assert (grey(given_, CT, 1, None).slope, grey(given_, CT, 1, None).voi) == (1, Window(5, 2))
    assert (grey(given_, CT, 2, None).slope, grey(given_, CT, 2, None).voi) == (2, Window(7, 2))


def test_a_modality_table_stands_before_the_window() -> None:
    """Stored values go through the modality table, not through slope and intercept."""
    lut = {"00283002": {"Value": [2, 65534, 16]}, "00283006": {"Value": [100, 200]}}
    found = grey(attributes(t00283000=[lut], t00281053=[9]), CT, 1, Window(150, 1))
    assert found.modality == Table(-2, 16, (100, 200))
    assert found.eight_bits(np.asarray([-2, -1], np.int16)).tolist() == [0, 255]


def test_monochrome1_is_shown_inverted() -> None:
    """In MONOCHROME1 low values are light; a presentation shape of INVERSE says the same."""
    image = Image(1, 2, photometric="MONOCHROME1")
    for found in (grey(attributes(), image, 1, None), grey(attributes(t20500020=["INVERSE"]), Image(1, 2), 1, None)):
        assert found.eight_bits(np.asarray([3, 9], np.uint8)).tolist() == [255, 0]


@pytest.mark.parametrize(
    ("center", "width", "function"),
    [
        (1, 0, "LINEAR"),
        (1, 0.5, "LINEAR"),
        (1, 0, "SIGMOID"),
        (math.nan, 2, "LINEAR"),
        (1, math.inf, "LINEAR"),
        (1, 2, "CUBIC"),
    ],
)
def test_windows_that_are_none_are_refused(center: float, width: float, function: str) -> None:
    """A width below 1 (or of 0 where it may be smaller), what is no number, and an unknown function are Invalid."""
    with pytest.raises(HealixError):
        Window(center, width, function)
