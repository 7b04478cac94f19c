"""The grammar of SMART scopes, restated as a table."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.scope import REMEMBERED, Context, Permission, contexts, parse

GOOD = [
    ("patient/Observation.rs", "patient", "Observation", "rs"),
    ("user/*.cruds", "user", "*", "cruds"),
    ("system/Patient.c", "system", "Patient", "c"),
    ("system/Patient.ds", "system", "Patient", "ds"),
    ("patient/*.read", "patient", "*", "rs"),
    ("patient/Condition.write", "patient", "Condition", "cud"),
    ("user/Encounter.*", "user", "Encounter", "cruds"),
]

BAD = [
    "patient/Observation",
    "patient/Observation.",
    "patient/Observation.sr",
    "patient/Observation.rr",
    "patient/Observation.readwrite",
    "patient/observation.rs",
    "Patient/Observation.rs",
    "staff/Observation.rs",
    "patient/.rs",
    "patient/*.rs*",
    "patient/Observation.rs;",
    "/",
    "everything",
    "launch/practitioner",
]


@pytest.mark.spec("smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources")
@pytest.mark.parametrize(("text", "context", "type_name", "letters"), GOOD)
def test_well_formed(text: str, context: str, type_name: str, letters: str) -> None:
    """A scope opens exactly the permissions that it lists, in version 1 and 2."""
    (scope,) = parse(text)
    assert (scope.context, scope.type) == (Context(context), type_name)
    assert {one.value for one in scope.permissions} == set(letters)


@pytest.mark.parametrize("text", BAD)
def test_malformed(text: str) -> None:
    """What is no SMART scope is refused and never ignored."""
    with pytest.raises(HealixError) as caught:
        parse(f"patient/Patient.rs {text}")
    assert caught.value.category is Category.INVALID


def test_identity_scopes_open_nothing() -> None:
    """Launch and identity scopes open no resource."""
    assert parse("openid fhirUser profile online_access offline_access launch launch/patient launch/encounter") == set()


def test_contexts_of_a_type() -> None:
    """The contexts of a type are those of all scopes that name it or every type."""
    scopes = parse("patient/*.rs user/Observation.r system/Patient.cruds")
    assert contexts(scopes, "Observation", Permission.READ) == {Context.PATIENT, Context.USER}
    assert contexts(scopes, "Observation", Permission.SEARCH) == {Context.PATIENT}
    assert contexts(scopes, "Patient", Permission.DELETE) == {Context.SYSTEM}
    assert contexts(scopes, "Condition", Permission.CREATE) == set()
    assert contexts(parse("patient/Patient.r?gender=male"), "Patient", Permission.READ) == set()


def test_tokens_of_one_scope_string_have_one_set() -> None:
    """What is remembered of a set of scopes is found by its identity, which a request asks for several times."""
    text = "patient/Observation.rs user/Patient.r openid"
    assert parse(text) is parse(text.encode().decode())
    long = " ".join([text] * REMEMBERED)  # which anybody may ask for, so that it is not kept
    assert parse(long) == parse(text)
    assert parse(long) is not parse(long)
