"""Codes that were found valid before."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model import known_good
from healix_fhir.model.problems import Problems, Rule, Walk, one
from healix_fhir.model.validate import validate

PULSE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
LINK = {"extension": [{"url": "http://example.org/x", "valueReference": {"reference": "#a"}}]}


def counted(problem: str | None = None) -> tuple[Rule, list[Any]]:
    """A rule that has always the same to say, and what it was asked about."""
    asked: list[Any] = []

    def rule(value: Any, _parent: dict[str, Any], _walk: Walk) -> Problems:
        asked.append(value)
        return one("", "value", problem) if problem else None

    return known_good.known_good(rule), asked


@pytest.mark.parametrize(
    ("value", "looked"),
    [
        (PULSE, 1),
        (PULSE | LINK, 2),
        ({"_text": LINK}, 2),
        ({"text": "x" * known_good.LARGEST}, 2),
        ("no object", 2),
    ],
)
def test_good_codes_are_looked_at_once(value: Any, looked: int) -> None:
    """A valid code is checked once; every time, if it is large or its validity depends on the resource around."""
    known, asked = counted()
    assert known(value, {}, Walk()) is known(value, {}, Walk()) is None
    assert len(asked) == looked


def test_bad_codes_stay_bad() -> None:
    """An invalid code is refused however often it comes."""
    known, asked = counted("bad")
    assert known(PULSE, {}, Walk()) == known(PULSE, {}, Walk()) == one("", "value", "bad")
    assert len(asked) == 2


def test_bounded() -> None:
    """No more than so many codes are remembered."""
    known, asked = counted()
    for n in range(known_good.KEPT + 1):
        known({"text": str(n)}, {}, Walk())
    known({"text": "0"}, {}, Walk())
    assert len(asked) == known_good.KEPT + 2


def test_references_in_codes_are_checked_in_each_resource() -> None:
    """A concept whose extension points at a contained resource is valid only beside that resource."""
    whole = {
        "resourceType": "Observation", "status": "final", "code": PULSE | LINK,
        "contained": [{"resourceType": "Basic", "id": "a", "code": PULSE}],
    }  # fmt: skip
    assert not validate(whole, "Observation")
    assert validate({key: value for key, value in whole.items() if key != "contained"}, "Observation")
