"""What of a workitem is marked, and which marks a search looks for."""

from __future__ import annotations

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.workitem.keys import keys
from dicomweb.workitem.marks import marks, of_beginning, of_code, of_pattern, of_value
from tests.support.workitems import code, members

STATION = "00404025"
HELD = marks(
    keys(
        checked(
            members(
                PatientName="Müller^Änne",
                ProcedureStepLabel="Segment the liver",
                ScheduledStationNameCodeSequence=[code("A1", "X"), code("B1", "Y")],
            )
        )
    )
)


@pytest.mark.parametrize(("value", "scheme", "held"), [("A1", "X", True), ("B1", "Y", True), ("A1", "Y", False)])
def test_a_code_is_marked_with_its_scheme(value: str, scheme: str, held: bool) -> None:
    """Of the same item."""
    mark = of_code({f"{STATION}.00080102": scheme, f"{STATION}.00080100": value})
    assert mark is not None
    assert (mark in HELD) is held


@pytest.mark.parametrize(
    "paths",
    [
        ("00080100", "00080102"),
        (f"{STATION}.00080100", "00404018.00080102"),
        (f"{STATION}.00080100", f"{STATION}.00080104"),
        (f"{STATION}.00080104", f"{STATION}.00080102"),
    ],
)
def test_what_is_no_code_with_its_scheme_has_no_mark_of_both(paths: tuple[str, str]) -> None:
    """It is looked for by each value, and looked at again."""
    assert of_code(dict.fromkeys(paths, "X")) is None


@pytest.mark.parametrize(
    ("path", "text", "held"),
    [
        ("00741204", "Segment*", True),
        ("00741204", "*liver", True),
        ("00741204", "S?gment the *", True),
        ("00741204", "Se*", True),
        ("00741204", "*kidney*", False),
        ("00741204", "Le*", False),
        ("00100010", "mul*", True),
        ("00100010", "mil*", False),
    ],
)
def test_texts_are_marked_by_their_letters(path: str, text: str, held: bool) -> None:
    """Whatever the wildcards leave of them."""
    wanted = of_pattern(path, text.replace("?", "*").split("*"))
    assert wanted
    assert (set(wanted) <= HELD) is held


@pytest.mark.parametrize(
    ("word", "held"), [("m", True), ("muel", True), ("mueller", True), ("an", True), ("mi", False)]
)
def test_words_of_names_are_marked_by_how_they_begin(word: str, held: bool) -> None:
    """In each of their spellings."""
    assert (of_beginning("00100010~", word) in HELD) is held


def test_every_value_is_marked_as_a_whole() -> None:
    """And no other."""
    assert of_value("00741204", "Segment the liver") in HELD
    assert of_value("00741204", "Segment") not in HELD
