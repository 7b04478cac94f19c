"""Token hashes: the ways to ask are told apart, and extraction and search agree on them."""

from __future__ import annotations

import pytest

from healix_fhir.search import tokens

MALE = ("http://hl7.org/fhir/administrative-gender", "male")


def test_a_token_is_stored_under_every_way_to_ask() -> None:
    """`code`, `system|code` and `system|` find a token with a system; `code` and `|code` one without."""
    assert tokens.ways(1, *MALE) == (
        tokens.any_system(1, "male"),
        tokens.in_system(1, *MALE),
        tokens.system_only(1, MALE[0]),
    )
    assert tokens.ways(1, None, "male") == (tokens.any_system(1, "male"), tokens.no_system(1, "male"))
    assert tokens.ways(1, MALE[0], None) == (tokens.system_only(1, MALE[0]),)
    assert tokens.ways(1, None, None) == ()


def test_no_two_ways_collide() -> None:
    """The same words asked another way, or of another parameter, are another hash."""
    hashes = [
        tokens.any_system(1, "a"),
        tokens.any_system(11, "a"),
        tokens.no_system(1, "a"),
        tokens.system_only(1, "a"),
        tokens.uri(1, "a"),
        tokens.in_system(1, "a", "a"),
        tokens.in_system(1, "a", "b c"),
        tokens.in_system(1, "a b", "c d"),
        tokens.of_type(1, "a", "b", "c"),
        tokens.any_system(1, "1*a"),
    ]
    assert len(set(hashes)) == len(hashes)


def test_case() -> None:
    """Codes are compared without regard to case, systems and uris literally."""
    assert tokens.in_system(1, "urn:s", "ABC") == tokens.in_system(1, "urn:s", "abc")
    assert tokens.in_system(1, "urn:S", "abc") != tokens.in_system(1, "urn:s", "abc")
    assert tokens.uri(1, "urn:A") != tokens.uri(1, "urn:a")


@pytest.mark.parametrize(
    ("hashed", "value"),
    [
        (tokens.any_system(9602, "8867-4"), -9091623073612380987),
        (tokens.in_system(9602, "http://loinc.org", "8867-4"), 2409298932390450862),
    ],
)
def test_hashes_are_stable(hashed: int, value: int) -> None:
    """Hashes are stored in rows: a change of their form needs a reindex, and shows here first."""
    assert hashed == value
