"""The table of main clinical dates holds what it promises."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from healix_fhir.model.definitions import search_parameters
from healix_fhir.model.elements import children
from healix_fhir.model.fhirpath.branch import Step
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.params.date import MAIN_DATE, is_main


def _repeats(structure: str, steps: Iterable[Step]) -> bool:
    for step in steps:
        assert isinstance(step, str)
        names = [step[:end] for end in range(len(step), 0, -1)]
        child = next(c for name in names for c in children(structure, name) if c.key == step)
        if child.repeats:
            return True
        structure = child.structure
    return False


@pytest.mark.parametrize("type_name", sorted(MAIN_DATE))
def test_single_date(type_name: str) -> None:
    """The main date is a date parameter of the type, whose element does not repeat: one interval says all of it."""
    parameter = search_parameters(type_name)[MAIN_DATE[type_name]]
    assert parameter.type == "date"
    assert is_main(type_name, parameter.code)
    branches = compile_branches(parameter.expression, type_name)
    assert not any(_repeats(type_name, branch.steps) for branch in branches)


def test_patient_has_none() -> None:
    """A birth date is no date of the record."""
    assert not is_main("Patient", "birthdate")
