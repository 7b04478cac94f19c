"""What Key Object Selections mark, as far as it is for readers of the report."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.study.key_images import MOST, Mark, marks_of

Json = dict[str, Any]


def coded(code: str, scheme: str = "DCM") -> Json:
    """A concept name."""
    return {"Value": [{"00080100": {"Value": [code]}, "00080102": {"Value": [scheme]}}]}


def image(uid: str, *frames: Any) -> Json:
    """A content item that refers to an image."""
    reference: Json = {"00081155": {"Value": [uid]}} | ({"00081160": {"Value": list(frames)}} if frames else {})
    return {"0040A040": {"Value": ["IMAGE"]}, "00081199": {"Value": [reference]}}


def selection(*content: Json, title: Json | None = None) -> Json:
    """A Key Object Selection."""
    return {"0040A043": title or coded("113000"), "0040A730": {"Value": list(content)}}


@pytest.mark.spec("DICOM PS3.16 TID 2010")
def test_marks() -> None:
    """Images and frames in their order, with the description of the selection."""
    text = {"0040A043": coded("113012"), "0040A040": {"Value": ["TEXT"]}, "0040A160": {"Value": ["Nodule"]}}
    found = marks_of(selection(text, image("1.2.3"), image("1.2.4", 3, 1)))
    assert found == [Mark("1.2.3", None, "Nodule"), Mark("1.2.4", 3, "Nodule"), Mark("1.2.4", 1, "Nodule")]


@pytest.mark.spec("DICOM PS3.3 C.18.4")
def test_a_presentation_state() -> None:
    """An image that is marked as a presentation state shows it."""
    shown = image("1.2.3")
    shown["00081199"]["Value"][0]["00081199"] = {"Value": [{"00081155": {"Value": ["1.2.9"]}}]}
    assert marks_of(selection(shown)) == [Mark("1.2.3", state="1.2.9")]


@pytest.mark.parametrize(
    "title", [coded("113004"), coded("113037"), coded("113000", "99ME"), {}, {"Value": ["113000"]}]
)
def test_other_ends(title: Json) -> None:
    """What is marked for teaching, or rejected, or by nobody's code, is no key image."""
    assert marks_of(selection(image("1.2.3"), title=title or {"Value": []})) == []


@pytest.mark.parametrize(
    "item",
    [image("1.2.x"), image(7), image("1" * 65), {"0040A040": {"Value": ["IMAGE"]}}, "x", {"00081199": "x"}],  # type: ignore[arg-type]
)
def test_malformed(item: Any) -> None:
    """What names no image marks none; the rest holds."""
    assert marks_of(selection(item, image("1.2.3", 0, "2", True))) == [Mark("1.2.3")]


def test_bounded() -> None:
    """A selection of thousands marks a hundred."""
    assert len(marks_of(selection(*(image(f"1.2.{n}") for n in range(1, 5000))))) == MOST
