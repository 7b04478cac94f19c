"""Categories of refusal as HTTP."""

from __future__ import annotations

from healix_fhir.interaction.status import STATUS, error_outcome, line
from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate


def test_every_category_has_a_status() -> None:
    """The table is total; only our own faults and missing parts are 5xx."""
    assert set(STATUS) == set(Category)
    assert {category for category in Category if STATUS[category] >= 500} == {
        Category.UNAVAILABLE,
        Category.FULL,
        Category.FAULT,
    }
    assert line(STATUS[Category.PRECONDITION_FAILED]) == "412 Precondition Failed"


def test_every_category_makes_a_valid_outcome_without_its_detail() -> None:
    """What is for the log only never reaches the caller."""
    for category in Category:
        body = error_outcome(HealixError(category, "public", detail="SELECT secret"))
        assert b"secret" not in body
        assert validate(decode(body), "OperationOutcome") == ()


def test_all_issues_are_shown() -> None:
    """Each issue with its severity, code and place."""
    issues = (Issue("value", "a", ("Patient.active",)), Issue("required", "b", severity="warning"))
    shown = decode(error_outcome(HealixError(Category.INVALID, "a", issues=issues)))["issue"]
    assert shown == [
        {"severity": "error", "code": "value", "diagnostics": "a", "expression": ["Patient.active"]},
        {"severity": "warning", "code": "required", "diagnostics": "b"},
    ]
