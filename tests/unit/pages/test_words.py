"""Scopes in words."""

from __future__ import annotations

import pytest

from healix_fhir.model.definitions import TYPES
from healix_fhir.pages.words import OTHER, THINGS, choice, choices, thing
from smart_auth.scope import OTHER_SCOPES


@pytest.mark.parametrize(
    ("scope", "text", "changes"),
    [
        ("patient/AllergyIntolerance.rs", "See: allergies", False),
        ("patient/AllergyIntolerance.read", "See: allergies", False),
        ("patient/*.cruds", "See, add, change and delete: everything", True),
        ("patient/Goal.c", "Add: goals", True),
        ("user/Goal.rsu", "See and change: goals, of all patients in your care", True),
        ("patient/NutritionOrder.s", "See: nutrition order", False),
        ("offline_access", OTHER["offline_access"], False),
    ],
)
def test_sentences(scope: str, text: str, changes: bool) -> None:
    """Each scope says whose what an app sees or changes."""
    shown = choice(scope.replace("rsu", "rus"))
    assert (shown.text, shown.changes) == (text, changes)


def test_every_scope_has_words() -> None:
    """No scope without data lacks its words, and types are those that there are."""
    assert set(OTHER) == OTHER_SCOPES
    assert set(THINGS) - {"*"} <= set(TYPES)
    assert all(thing(name) for name in TYPES)


def test_groups() -> None:
    """What is about the record comes apart from what is about the person."""
    record, other = choices(["openid", "patient/Goal.r"])
    assert [one.scope for one in record] == ["patient/Goal.r"]
    assert [one.scope for one in other] == ["openid"]
