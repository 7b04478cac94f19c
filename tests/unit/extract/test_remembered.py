"""Rows of codes that were met before."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.search.extract import extract
from healix_fhir.search.params import remembered
from healix_fhir.search.params.collector import Collector

PULSE = {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}


class Asked:
    """An emitter that counts its calls and tells what it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, items: list[Any], rows: Collector) -> None:
        """Add rows that differ with what is asked."""
        self.times += 1
        rows.toks += [len(items), hash(str(items))]


def test_same_codes_are_looked_at_once() -> None:
    """Codes with the same content have the rows that were found the first time."""
    asked = Asked()
    known = remembered.remembered(asked)
    assert known([dict(PULSE)]).toks == known([dict(PULSE)]).toks == [1, hash(str([PULSE]))]
    assert asked.times == 1


@pytest.mark.parametrize("other", [[], [PULSE, PULSE], [PULSE | {"text": "Pulse"}], ["final"], ["FINAL"]])
def test_other_codes_are_looked_at_anew(other: list[Any]) -> None:
    """Whatever differs, be it in case or number only, has rows of its own."""
    known = remembered.remembered(Asked())
    assert known([PULSE]).toks != known(other).toks


def test_parameters_do_not_share_rows() -> None:
    """The same code has other rows under another parameter."""
    assert remembered.remembered(Asked())([PULSE]) is not remembered.remembered(Asked())([PULSE])


def test_giants_are_not_kept() -> None:
    """What is kept has a bound in bytes."""
    asked = Asked()
    known = remembered.remembered(asked)
    giant = [{"text": "x" * remembered.LARGEST}]
    assert known(giant).toks == known(giant).toks
    assert asked.times == 2


def test_rows_do_not_depend_on_what_was_met_before() -> None:
    """A resource has the same index rows however often its codes were met, and whatever was added to them since."""
    resource = {
        "resourceType": "Observation", "id": "a", "status": "final", "code": PULSE, "category": [PULSE, PULSE],
        "component": [{"code": PULSE, "valueQuantity": {"value": 7, "code": "/min"}}],
    }  # fmt: skip
    first = extract(resource, "Observation", ())
    assert extract(resource | {"component": [{"code": PULSE, "valueString": "x"}]}, "Observation", ()) != first
    assert extract(resource, "Observation", ()) == first
