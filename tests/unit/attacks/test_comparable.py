"""How answers about what is hidden and what is missing are made comparable."""

from __future__ import annotations

import pytest

from tests.support.attacks.attack import comparable
from tests.support.attacks.names import names


@pytest.mark.parametrize(
    "text",
    [
        '"lastUpdated":"2026-11-29T14:31:11.256Z"',  # the latitude 11.25
        '"lastUpdated":"2026-11-29T14:31:00.481100+00:00"',  # the amount 4811
        '"location":"Observation/48114811-4811-4811-8811-481148114811/_history/1"',
        '"url":"https://healix.test/fhir/Observation?_cursor=hidqtag.4811-%3D"',
    ],
)
def test_what_passes_is_taken_out_whatever_it_holds(text: str) -> None:
    """Moments, new ids and cursors compare equal also where they happen to hold one of the names."""
    assert comparable(text, names("hidq", "000001")) == comparable(text, names("misq", "000001"))


def test_names_are_taken_out() -> None:
    """Answers that differ in nothing but the names asked about compare equal."""
    hidden, missing = names("hidq", "000001"), names("misq", "000001")
    text = '{"reference":"Observation/<observation>","value":<amount>,"latitude":<position>}'
    for target in (hidden, missing):
        said = text
        for name, value in target.items():
            said = said.replace(f"<{name}>", value)
        assert comparable(said, target) == text
