"""The tables that turn a category of refusal into a protocol's status."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dicomweb.status import FIND_STATUS, HTTP, REASON, Reason
from healix_fhir.kernel.errors import Category


@pytest.mark.parametrize("table", [REASON, FIND_STATUS, HTTP], ids=["store", "find", "http"])
def test_every_category_has_a_row(table: Mapping[Category, int]) -> None:
    """The tables are total."""
    assert table.keys() == set(Category)


@pytest.mark.spec("PS3.18 Table I.2-2")
def test_failure_reasons_are_those_of_the_standard() -> None:
    """Every code is one that the standard lists, or in one of its ranges."""
    for code in Reason:
        assert code in (0x0110, 0x0111, 0x0122, 0x0124, 0xC122) or code >> 8 in (0xA7, 0xA9) or code >> 12 == 0xC


@pytest.mark.spec("PS3.18 Table 8.5-1")
def test_http_statuses() -> None:
    """Callers' mistakes are 4xx, ours 5xx."""
    assert {category for category, status in HTTP.items() if status >= 500} == {
        Category.UNAVAILABLE,
        Category.FULL,
        Category.FAULT,
    }
