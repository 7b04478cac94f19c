"""Custom search parameters: an expression that is accepted never fails, whatever resource it meets."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model import custom
from healix_fhir.model.custom import Custom, custom_id
from healix_fhir.model.definitions import TYPE_ID, TYPES
from healix_fhir.model.elements import children, elements, is_structure
from healix_fhir.search.defining import defined
from healix_fhir.search.extract import extract
from tests.support.examples import examples
from tests.support.grown import Grower

CALLS = (
    ".first()", ".exists()", ".empty()", ".not()", ".where(exists())", ".where(id = 'x')", ".where($this = 'x')",
    ".extension('http://x.test/e').value", ".where(resolve() is Patient)", ".as(string)", ".ofType(Coding)",
    ".where(system = 'x' and code != 'y')", "[0]", ".where(value.exists() or use = 1)", ".where(extension.exists())",
)  # fmt: skip
BETWEEN = (" | ", " and ", " or ", " = ", " != ")
PARAMETERS = ("date", "number", "quantity", "reference", "string", "token", "uri")


@pytest.fixture(autouse=True, scope="module")
def _forget() -> Any:
    yield
    custom.install(custom.NONE)


def path(chance: random.Random, type_name: str) -> str:
    """A path of elements that there are, with calls that may fit."""
    structure, text = type_name, type_name
    for _ in range(chance.randint(1, 4)):
        if is_structure(structure) and chance.random() < 0.8:
            name = chance.choice(list(elements(structure)))
            text += f".{name}"
            found = children(structure, name)
            structure = chance.choice(found).structure if found else structure
        if chance.random() < 0.4:
            text += chance.choice(CALLS)
    return text


def with_nulls(value: Any) -> Any:
    """A resource with nulls among its primitives, for those that have only extensions."""
    if isinstance(value, dict):
        return {name: with_nulls(part) for name, part in value.items()}
    if not isinstance(value, list):
        return value
    plain = [with_nulls(part) for part in value]
    return plain if not plain or isinstance(plain[0], dict) else [None, *plain, None]


@settings(max_examples=examples(250))
@given(st.randoms(use_true_random=False), st.sampled_from(TYPES), st.sampled_from(PARAMETERS))
def test_what_is_accepted_is_extracted(chance: random.Random, type_name: str, type_: str) -> None:
    """It is refused with a reason, or gives rows or none."""
    text = path(chance, type_name)
    if chance.random() < 0.3:
        text += chance.choice(BETWEEN) + chance.choice((path(chance, type_name), "'a'", "true", "1"))
    resource = {"status": "active", "url": "http://x.test/p", "code": "zzz", "base": [type_name], "type": type_}
    try:
        ((_, parameter),) = defined(resource | {"expression": text})
    except HealixError:
        return
    numbered = parameter._replace(id=custom_id(TYPE_ID[type_name], 0))
    custom.install(Custom(pending={type_name: {"zzz": numbered}}))
    for seed, turn in ((0, 0), (1, 1), (0, 2)):
        grown = Grower(seed, turn).resource(type_name)
        extract(grown, type_name, ())
        extract(with_nulls(grown), type_name, ())
