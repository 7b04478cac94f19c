"""Which operations are called, and which are refused by name."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.registry import OPERATIONS, find, offered


@pytest.mark.parametrize("level", [Invocation(type="Patient"), Invocation(type="Patient", id="p")])
def test_validate_is_found_on_its_levels(level: Invocation) -> None:
    """$validate is called on a type and on an instance."""
    assert find("validate", level) is OPERATIONS["validate"][0]


@pytest.mark.parametrize(
    ("name", "invocation", "category"),
    [
        ("expand", Invocation(type="Patient"), Category.UNSUPPORTED),
        ("populate", Invocation(type="Questionnaire", id="p"), Category.UNSUPPORTED),
        ("everything", Invocation(type="Observation", id="p"), Category.UNSUPPORTED),
        ("everything", Invocation(type="Encounter"), Category.UNSUPPORTED),
        ("validate", Invocation(), Category.UNSUPPORTED),
        ("validate", Invocation(type="Spaceship"), Category.NOT_FOUND),
        ("validate", Invocation(type="Patient", id="a_b"), Category.NOT_FOUND),
    ],
)
def test_what_does_not_run_is_refused_by_name(name: str, invocation: Invocation, category: Category) -> None:
    """An operation that this server lacks is named in the refusal; unknown types and ids are not there."""
    with pytest.raises(HealixError) as error:
        find(name, invocation)
    assert error.value.category is category
    if category is Category.UNSUPPORTED:
        assert f"${name}" in error.value.message


def test_all_are_offered() -> None:
    """The capability statement hears of every operation."""
    assert {one.name for one in offered()} == set(OPERATIONS)
