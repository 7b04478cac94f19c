"""While resources are indexed by an older version, searches that may miss some say so."""

from __future__ import annotations

import pytest

from healix_fhir.bulk.type_filter import read_filters
from healix_fhir.interaction.capabilities import capabilities
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation.reindex import renew
from healix_fhir.search.match import Condition, match
from healix_fhir.search.matched import conditions, matched
from tests.support.parameters import index, know
from tests.support.resources import patient
from tests.support.search import BASE, EVERYONE, Clinic


@pytest.mark.spec("FHIR R4 search.html#errors")
def test_a_search_that_may_miss_resources_says_so(clinic: Clinic) -> None:
    """By anything but columns of the resource; with the run's end it is over."""
    clinic.put(patient(id="p"))
    clinic.run("DELETE FROM reindexing")
    know(clinic)
    for address in (
        "Patient?gender=female", "Patient?name:missing=true", "Patient?_tag=x", "Patient?_id=p&_include=*",
        "Patient/p/Observation?_id=x", "Observation?patient.gender=female", "Patient?_has:Observation:patient:code=1",
    ):  # fmt: skip
        (issue,) = clinic.page(address).ignored
        assert (issue.code, issue.severity) == ("incomplete", "warning")
        assert clinic.page(address, strict=True).ignored == (issue,)
    for address in ("Patient", "Patient?_id=p", "Patient?_lastUpdated=gt2000", "Patient?_sort=family&_count=1"):
        assert clinic.page(address).ignored == ()
    assert "written anew" in capabilities("http://x.test", ())["rest"][0]["documentation"]
    transaction(clinic.pool, renew)
    index(clinic)
    assert clinic.page("Patient?gender=female").ignored == ()
    assert "documentation" not in capabilities("http://x.test", ())["rest"][0]


def test_the_warning_is_about_what_the_newer_version_has_made(clinic: Clinic) -> None:
    """Of resources in an index of version 1, only their words are lacking; a chain to them counts too."""
    clinic.put(patient(id="p"))
    clinic.run("UPDATE reindexing SET version = 1")
    know(clinic)
    words = ("Patient?_text=ada", "Observation?patient._content=ada", "Patient?_filter=_text co ada")
    for address in (*words, "Patient?_contained=true"):
        (issue,) = clinic.page(address).ignored
        assert "_contained or _content or _text may miss resources" in issue.message
    for address in ("Patient?gender=female", "Patient?_include=*"):
        assert clinic.page(address).ignored == ()


def test_nothing_is_decided_on_what_may_be_missed(clinic: Clinic) -> None:
    """A condition that asks for what may be lacking is refused until the index is whole; others are not."""
    clinic.put(patient(id="p"))
    clinic.run("UPDATE reindexing SET version = 1")
    know(clinic)

    def found(name: str, value: str) -> list[str]:
        condition = Condition("Patient", ((name, value),))
        return [one.id for one in transaction(clinic.pool, lambda: match(EVERYONE, condition, base=BASE))]

    assert found("gender", "female") == ["p"]
    with pytest.raises(HealixError, match="may miss resources") as refused:
        found("_content", "byron")
    assert refused.value.category is Category.UNAVAILABLE
    transaction(clinic.pool, renew)
    index(clinic)
    assert found("_content", "byron") == ["p"]


def test_nothing_is_computed_or_exported_from_what_may_be_missed(clinic: Clinic) -> None:
    """Operations over all matches, and filters of exports, are refused until the index is whole."""
    clinic.put(patient(id="p"))
    clinic.run("UPDATE reindexing SET version = 1")
    know(clinic)

    def all_of(name: str, value: str) -> list[str]:
        query = conditions("Patient", ((name, value),), "$tried", BASE)
        return [one.id for one in transaction(clinic.pool, lambda: matched(EVERYONE, query, 10, BASE))]

    assert all_of("gender", "female") == ["p"]
    for ask in (lambda: all_of("_content", "byron"), lambda: read_filters("Patient?_content=byron", ["Patient"], BASE)):
        with pytest.raises(HealixError, match="may miss resources") as refused:
            ask()
        assert refused.value.category is Category.UNAVAILABLE
    transaction(clinic.pool, renew)
    index(clinic)
    assert all_of("_content", "byron") == ["p"]
    assert len(read_filters("Patient?_content=byron", ["Patient"], BASE)) == 1
