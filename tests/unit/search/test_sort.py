"""What a search can be sorted by, of each type and of several."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.search.order import By
from healix_fhir.search.sort import read_sort
from healix_fhir.search.unknown import UnknownParameterError

pytestmark = pytest.mark.spec("FHIR R4 search.html#sort")


@pytest.mark.parametrize("type_name", TYPES)
def test_every_parameter_has_an_order_or_is_refused_by_name(type_name: str) -> None:
    """All but composites, places and sounds."""
    for code, parameter in search_parameters(type_name).items():
        if parameter.type in ("composite", "special") or code == "phonetic":
            with pytest.raises(HealixError, match=f"'{code}'") as refusal:
                read_sort([type_name], code)
            assert refusal.value.category is Category.UNSUPPORTED
        else:
            key = read_sort([type_name], f"-{code}").first
            assert key.descending
            assert key.by is not By.BODY or key.paths


def test_several_types_are_sorted_by_what_one_of_them_has() -> None:
    """By the same key where they share it, each by its own where they do not."""
    assert read_sort(["Observation", "Encounter"], "date").first.by is By.DATE
    assert read_sort(TYPES, "_tag").first.by is By.BODY
    subject = read_sort(["Observation", "Encounter", "Patient"], "subject").first.table
    assert subject is not None
    assert len(subject.keys) == 2
    assert read_sort(["Observation", "Patient"], "-date").first.by is By.TYPED
    with pytest.raises(UnknownParameterError, match="nonsense"):
        read_sort(TYPES, "nonsense")


def test_a_name_of_several_kinds_is_refused() -> None:
    """Dates and words cannot be compared with each other."""
    with pytest.raises(HealixError, match="'start'") as refusal:
        read_sort(TYPES, "start")
    assert refusal.value.category is Category.UNSUPPORTED
