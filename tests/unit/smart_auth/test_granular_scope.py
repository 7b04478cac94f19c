"""The grammar and the algebra of scopes with a query, restated as tables."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.scope import Permission, Scope, bounded, parse, parse_one

SPEC = (
    "smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"
)
LABS = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("word", "canonical"),
    [
        (f"patient/Observation.rs?category={LABS}", f"patient/Observation.rs?category={LABS}"),
        ("user/Observation.r?status=final&category=a", "user/Observation.r?category=a&status=final"),
        ("system/Observation.s?category=b,a,b", "system/Observation.s?category=a,b"),
        ("patient/Observation.r?category=a&category=a,b", "patient/Observation.r?category=a"),
        ("patient/Observation.r?category:not=a&category:not=a,b", "patient/Observation.r?category:not=a,b"),
        ("patient/Patient.r?name=Ann%20Lee", "patient/Patient.r?name=Ann%20Lee"),
        ("patient/Patient.r?name=Ann+Lee", "patient/Patient.r?name=Ann%20Lee"),
        ("patient/Patient.r?name=M%C3%BCller", "patient/Patient.r?name=M%C3%BCller"),
        ("patient/Patient.r?name=a%26b%3Dc%2Bd%25e%23f", "patient/Patient.r?name=a%26b%3Dc%2Bd%25e%23f"),
        (r"patient/Patient.r?name=b\,c,a", "patient/Patient.r?name=a,b%5C,c"),
        ("patient/Observation.r?_tag=x", "patient/Observation.r?_tag=x"),
        ("patient/Observation.r?code:text=sugar", "patient/Observation.r?code:text=sugar"),
    ],
)
def test_canonical_form(word: str, canonical: str) -> None:
    """Scopes that ask the same in other words are written alike, and read back as themselves."""
    scope = parse_one(word)
    assert str(scope) == canonical
    assert parse_one(canonical) == scope


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    "word",
    [
        "patient/Observation.rs?",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?category=a,",
        "patient/Observation.rs?=a",
        "patient/Observation.rs?category=a&",
        "patient/Observation.rs?subject:Patient.name=a",
        "patient/Observation.rs?_has:Provenance:target:agent=a",
        "patient/Observation.rs?category:=a",
        "patient/Observation.rs?category=%FF",
        "patient/Observation.rs?category=%00",
        "patient/Observation.rs?" + "&".join(f"category=a{n}" for n in range(11)),
        "patient/Observation.rs?category=" + "a" * 2000,
        "patient/*.rs?_tag=a",
        "patient/Observation.read?category=a",
        "patient/Observation.?category=a",
        "patient/Observation?category=a",
    ],
)
def test_malformed(word: str) -> None:
    """A query that cannot be read is refused, and never left out of its scope."""
    with pytest.raises(HealixError) as caught:
        parse(word)
    assert caught.value.category is Category.INVALID


O = "patient/Observation."  # noqa: E741 - short, for the tables
ALGEBRA = [
    # one, other, whether one covers the other, and the other one, what both open
    (O + "rs", O + "rs?category=a", True, False, O + "rs?category=a"),
    (O + "rs?category=a", O + "rs?category=a", True, True, O + "rs?category=a"),
    (O + "rs?category=a,b", O + "rs?category=b", True, False, O + "rs?category=b"),
    (O + "rs?category=a", O + "rs?category=a&status=final", True, False, O + "rs?category=a&status=final"),
    (O + "rs?category=a", O + "rs?category=b", False, False, None),
    (O + "rs?category=a,b", O + "rs?category=b,c", False, False, None),
    (O + "rs?category=a", O + "rs?status=final", False, False, O + "rs?category=a&status=final"),
    (O + "rs?category=a,b&status=final", O + "rs?category=a", False, False, None),
    (O + "rs?category:not=a", O + "rs?category:not=a,b", True, False, O + "rs?category:not=a,b"),
    (O + "rs?category:not=a", O + "rs?category=b", False, False, O + "rs?category:not=a&category=b"),
    (O + "rs?category=a", O + "r?category=a", True, False, O + "r?category=a"),
    (O + "r?category=a", O + "s?category=a", False, False, None),
    (O + "r?category=a", O + "rs", False, True, O + "r?category=a"),
    ("patient/*.cruds", O + "rs?category=a", True, False, O + "rs?category=a"),
    ("patient/*.r", O + "rs?category=a", False, False, O + "r?category=a"),
    ("patient/Condition.rs", O + "rs?category=a", False, False, None),
    ("user/Observation.rs", O + "rs?category=a", False, False, None),
    ("system/*.rs", O + "rs?category=a", False, False, None),
    (O + r"rs?category=a\,b", O + "rs?category=a", False, False, None),
    (O + "rs?category=a|b", O + "rs?category=b", False, False, None),
]


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(("one", "other", "covers", "covered", "both"), ALGEBRA)
def test_algebra(one: str, other: str, covers: bool, covered: bool, both: str | None) -> None:
    """Which scope opens all that another opens, and what both open; nothing is opened that either does not."""
    first, second = parse_one(one), parse_one(other)
    assert first.covers(second) is covers
    assert second.covers(first) is covered
    expected = parse_one(both) if both is not None else None
    assert first.meet(second) == second.meet(first) == expected
    assert expected is None or (first.covers(expected) and second.covers(expected))


def test_union() -> None:
    """Of the scopes of a type, those with a query add to what the others open, unless their context is open whole."""

    def words(text: str) -> list[str]:
        return [str(scope) for scope in bounded(parse(text), "Observation", Permission.READ)]

    assert words(f"{O}r?category=a {O}s?category=b user/Observation.r?category=c") == [
        f"{O}r?category=a",
        "user/Observation.r?category=c",
    ]
    assert words(f"{O}r?category=a patient/*.rs user/Observation.r?category=c") == ["user/Observation.r?category=c"]
    assert words("patient/Condition.r?category=a patient/*.s") == []


def test_a_query_is_part_of_a_scope() -> None:
    """Scopes that differ by their query alone are two."""
    scopes: frozenset[Scope] = parse(f"{O}r?category=a {O}r?category=b {O}r")
    assert len(scopes) == 3
