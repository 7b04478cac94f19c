"""Pages: complete, without repetition, stable while others write, and sealed."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.resources import observation, patient
from tests.support.search import Clinic


def _day(n: int) -> str:
    return f"2024-05-{n:02d}"


def _observations(clinic: Clinic, first: int, last: int) -> list[str]:
    made = [observation("Patient/p", id=f"o{n:02d}", effectiveDateTime=_day(n // 2 + 1)) for n in range(first, last)]
    clinic.put(*made)
    return [resource["id"] for resource in made]


@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=-date", "&_sort=_id", "&_sort=-_lastUpdated"])
@pytest.mark.parametrize("query", ["", "code=8867-4&", "patient=p&", "patient=p&code=8867-4&"])
def test_what_is_made_after_the_first_page_is_on_no_later_one(clinic: Clinic, sort: str, query: str) -> None:
    """A search sees the resources there were when it began, each once, whatever is added meanwhile."""
    before = _observations(clinic, 10, 20)
    pages = clinic.pages(f"Observation?{query}_count=3{sort}")
    seen = [hit.id for hit in next(pages).entries]
    _observations(clinic, 0, 10)
    _observations(clinic, 20, 30)
    seen += [hit.id for page in pages for hit in page.entries]
    assert sorted(seen) == before


def test_links_name_what_took_effect(clinic: Clinic) -> None:
    """Self names the parameters that were used, next the same and where to go on; ignored ones are in neither."""
    _observations(clinic, 0, 3)
    page = clinic.page("Observation?patient=p&nonsense=1&_count=2")
    assert page.self == "patient=p&_count=2"
    assert page.next is not None
    assert page.next.startswith("patient=p&_count=2&_cursor=")
    assert [issue.severity for issue in page.ignored] == ["warning"]
    assert page.total is None


def test_the_total_is_told_when_asked_for_or_known(clinic: Clinic) -> None:
    """The number of all matches comes with each page when asked for, and by itself when one page holds them all."""
    _observations(clinic, 0, 5)
    assert clinic.page("Observation?_count=10").total == 5
    assert clinic.page("Observation?_count=5").total == 5
    assert [page.total for page in clinic.pages("Observation?_count=2&_total=accurate")] == [5, 5, 5]
    page = clinic.page("Observation?patient=p&_summary=count")
    assert (page.total, page.entries, page.next) == (5, [], None)
    assert clinic.page("Observation?patient=nobody&_total=accurate").total == 0


def test_a_cursor_belongs_to_its_search(clinic: Clinic) -> None:
    """A cursor that was changed, or taken to another search, type or order, is the caller's mistake."""
    _observations(clinic, 0, 5)
    clinic.put(patient(id="p"))
    following = clinic.page("Observation?_count=2").next
    assert following is not None
    sealed = parse_qs(following)["_cursor"][0]
    wrong = [
        f"Observation?_count=3&_cursor={sealed}",
        f"Observation?_count=2&_sort=_id&_cursor={sealed}",
        f"Patient?_count=2&_cursor={sealed}",
        f"Observation?_count=2&_cursor={sealed[:-1]}",
        f"Observation?{urlencode({'_count': 2, '_cursor': sealed + 'AAAA'})}",
    ]
    for address in wrong:
        with pytest.raises(HealixError) as refusal:
            clinic.page(address)
        assert refusal.value.category is Category.INVALID


def test_a_cursor_carries_no_access(clinic: Clinic) -> None:
    """Another caller who follows a link sees what that caller may see, and nothing else."""
    _observations(clinic, 0, 6)
    following = clinic.page("Observation?_count=2").next
    stranger = clinic.access("patient/*.rs", patient="q")
    assert clinic.page(f"Observation?{following}", stranger).entries == []
