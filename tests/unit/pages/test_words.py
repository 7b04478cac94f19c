"""Scopes in words."""

from __future__ import annotations

from itertools import chain

import pytest

from healix_fhir.model.definitions import PATIENT_COMPARTMENT, TYPES
from healix_fhir.pages.words import KINDS, OTHER, THINGS, choice, choices
from smart_auth.oauth.authorize.scopes import CATEGORIES
from smart_auth.scope import OTHER_SCOPES

LABS = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("scope", "text", "changes"),
    [
        ("patient/AllergyIntolerance.rs", "See: allergies", False),
        ("patient/AllergyIntolerance.read", "See: allergies", False),
        ("patient/*.cruds", "See, add, change and delete: everything", True),
        ("patient/Goal.c", "Add: goals", True),
        ("user/Goal.rsu", "See and change: goals, of everyone whose record you can see", True),
        ("patient/NutritionOrder.s", "See: diets", False),
        (f"patient/Observation.rs?category={LABS}", "See: laboratory results", False),
        (f"user/Observation.c?category={LABS}", "Add: laboratory results, of everyone whose record you can see", True),
        ("patient/Condition.r?code=a,b", "See: conditions and diagnoses, only with code a or b", False),
        ("offline_access", OTHER["offline_access"], False),
    ],
)
def test_sentences(scope: str, text: str, changes: bool) -> None:
    """Each scope says whose what an app sees or changes."""
    shown = choice(scope.replace("rsu", "rus"))
    assert (shown.text, shown.changes) == (text, changes)


def test_every_scope_has_words() -> None:
    """No scope without data lacks its words, no type of a patient's record either; types are those that there are."""
    assert set(OTHER) == OTHER_SCOPES
    assert set(PATIENT_COMPARTMENT) <= set(THINGS) - {"*"} <= set(TYPES)
    assert all(choice(f"patient/{name}.r").text for name in TYPES)
    assert set(KINDS) == set(chain(*CATEGORIES.values()))


def test_groups() -> None:
    """What is about the record comes apart from what is about the person."""
    record, other = choices(["openid", "patient/Goal.r"])
    assert [one.scope for one in record] == ["patient/Goal.r"]
    assert [one.scope for one in other] == ["openid"]


@pytest.mark.parametrize(
    ("scope", "parts"),
    [
        ("patient/Observation.rs", 9),
        ("user/Condition.read", 3),
        ("patient/*.rs", 0),
        ("patient/Goal.rs", 0),
        (f"patient/Observation.rs?category={LABS}", 0),
        ("openid", 0),
    ],
)
def test_parts(scope: str, parts: int) -> None:
    """Observations and conditions asked for as a whole are offered by category too."""
    assert len(choice(scope).finer) == parts
