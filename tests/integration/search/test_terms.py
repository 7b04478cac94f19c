"""Searches by value sets and by hierarchies of codes: what they find, wherever such a condition may stand."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.query import VALUES
from smart_auth.scope import Permission
from tests.support.fhir_server import with_scope
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
COLOURS = "http://example.org/colours"
SET = "http://example.org/warm"


def observation(id_: str, *codes: str, system: str | None = COLOURS, **elements: Any) -> Json:
    """An Observation of codes, the same as its method."""
    of = {} if system is None else {"system": system}
    coding = {"coding": [{**of, "code": code} for code in codes]} if codes else {"text": "none"}
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": coding, "method": coding} | elements


@pytest.fixture
def coloured(clinic: Clinic) -> Clinic:
    """Red above crimson, and blue, in Observations; a value set of what is red."""
    concepts = [{"code": "Red", "concept": [{"code": "crimson"}]}, {"code": "blue"}]
    clinic.put(
        {
            "resourceType": "CodeSystem", "id": "c", "url": COLOURS, "status": "active", "content": "complete",
            "caseSensitive": False, "concept": concepts,
        },
        {
            "resourceType": "ValueSet", "id": "v", "url": SET, "status": "active",
            "compose": {
                "include": [
                    {"system": COLOURS, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]},
                    {"system": "urn:other", "concept": [{"code": "x"}]},
                ]
            },
        },
        {"resourceType": "Patient", "id": "p"},
        observation("red", "red", subject={"reference": "Patient/p"}, effectiveDateTime="2024-01-01"),
        observation("crimson", "Crimson", effectiveDateTime="2024-01-03"),
        observation("both", "blue", "RED", effectiveDateTime="2024-01-02"),
        observation("twice", "red", "crimson", effectiveDateTime="2024-01-05"),
        observation("blue", "blue", effectiveDateTime="2024-01-04"),
        observation("other", "x", system="urn:other"),
        observation("bare", "red", system=None),
        observation("none"),
    )  # fmt: skip
    return clinic


WARM = ["twice", "crimson", "both", "red", "other"]


@pytest.mark.spec("FHIR R4 search.html#token")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"code:in={SET}", WARM),
        (f"code:in={SET}&_count=2", ["twice", "crimson"]),
        (f"code:in={SET}&_sort=date", ["red", "both", "crimson", "twice", "other"]),
        (f"code:in={SET}&_sort=_id", sorted(WARM)),
        ("code:in=ValueSet/v", WARM),
        (f"code:in={BASE}/ValueSet/v", WARM),
        (f"method:in={SET}", WARM),
        (f"combo-code:in={SET}", WARM),
        (f"code:in={SET},http://hl7.org/fhir/ValueSet/administrative-gender", WARM),
        (f"code:in={SET}&code=blue", ["both"]),
        (f"code:in={SET}&subject=Patient/p", ["red"]),
        (f"code:in={SET}&date=ge2024-01-02&date=lt2024-01-04", ["crimson", "both"]),
        (f"code:not-in={SET}", ["blue", "none", "bare"]),
        (f"code:not-in={SET}&code=blue", ["blue"]),
        (f"code:below={COLOURS}|red", ["twice", "crimson", "both", "red"]),
        (f"code:below={COLOURS}|crimson", ["twice", "crimson"]),
        (f"code:above={COLOURS}|crimson", ["twice", "crimson", "both", "red"]),
        (f"code:above={COLOURS}|red", ["twice", "both", "red"]),
        (f"code:below={COLOURS}|none", []),
        ("status:in=http://hl7.org/fhir/ValueSet/observation-status&code=blue", ["blue", "both"]),
        ("status:below=http://hl7.org/fhir/observation-status|final&code=x", ["other"]),
        (f'_filter=code in "{SET}" and date gt 2024-01-03', ["twice"]),
        (f'_filter=code ss "{COLOURS}|crimson"', ["twice", "crimson"]),
        (f'_filter=code sb "{COLOURS}|red"', ["twice", "both", "red"]),
    ],
)
def test_codes_are_found_by_terminology(coloured: Clinic, query: str, expected: list[str]) -> None:
    """By what is in a value set, not in it, below or above a concept: in order, in pages, beside other conditions."""
    found = coloured.page(f"Observation?{query}&_total=accurate")
    assert [hit.id for hit in found.entries] == expected
    if "_count" not in query:
        assert found.total == len(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"Patient?_has:Observation:subject:code:in={SET}", ["p"]),
        (f"Patient?_has:Observation:subject:code:below={COLOURS}|blue", []),
        (f"Provenance?target:Observation.code:in={SET}", ["link"]),
    ],
)
def test_at_the_ends_of_links(coloured: Clinic, query: str, expected: list[str]) -> None:
    """A value set may be asked for through chains and _has."""
    coloured.put(
        {
            "resourceType": "Provenance", "id": "link", "target": [{"reference": "Observation/red"}],
            "recorded": "2024-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}],
        }
    )  # fmt: skip
    assert coloured.ids(query) == expected


def test_inside_other_resources(coloured: Clinic) -> None:
    """Contained resources are found by value sets too, and by them alone."""
    container = {
        "resourceType": "DiagnosticReport", "id": "report", "status": "final", "code": {"text": "x"},
        "contained": [observation("inner", "crimson")],
    }  # fmt: skip
    coloured.put(container)
    assert coloured.ids(f"Observation?code:in={SET}&_contained=true") == ["report"]
    assert coloured.ids(f"Observation?code:not-in={SET}&_contained=true") == []


def test_pages_go_on(coloured: Clinic) -> None:
    """Page by page every match once, also one with two codes of the value set."""
    pages = coloured.pages(f"Observation?code:in={SET}&_count=2")
    assert [[hit.id for hit in page.entries] for page in pages] == [["twice", "crimson"], ["both", "red"], ["other"]]


def test_many_codes_are_read_either_way(coloured: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether codes lie densely, so that rows are read in order, or not, so that they are read by code."""
    for few, dense in ((0, 10**6), (0, 0)):
        monkeypatch.setattr("healix_fhir.search.drive.FEW", few)
        monkeypatch.setattr("healix_fhir.search.drive.DENSE", dense)
        assert coloured.ids(f"Observation?code:in={SET}") == WARM


@pytest.mark.parametrize(
    "value",
    [
        "http://example.org/none", "ValueSet/none", f"{SET}|7", "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/observation-codes",
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(coloured: Clinic, value: str) -> None:
    """A value set that is not there, or needs a code system that is not, is never taken for an empty one."""
    with pytest.raises(HealixError, match=r"^code:in: ") as caught:
        coloured.page(f"Observation?code:in={value}")
    assert caught.value.category is Category.INVALID


def test_a_hidden_value_set_is_not_there(coloured: Clinic) -> None:
    """Who may not read ValueSets is answered as if there were none; those of the definitions are for everyone."""
    access = with_scope(f"system/Observation.{Permission.SEARCH.value}")
    official = "http://hl7.org/fhir/ValueSet/observation-status"
    assert len(coloured.page(f"Observation?status:in={official}", access).entries) == 8
    messages = []
    for name in (SET, "http://example.org/nono", "ValueSet/v", "ValueSet/w"):
        with pytest.raises(HealixError) as caught:
            coloured.page(f"Observation?code:in={name}", access)
        messages.append(caught.value.message.replace(name, "…"))
    assert len(set(messages)) == 1


def test_a_search_names_few_value_sets(coloured: Clinic) -> None:
    """More than ten are too costly."""
    names = ",".join(f"http://example.org/{n}" for n in range(11))
    with pytest.raises(HealixError) as caught:
        coloured.page(f"Observation?code:in={names}")
    assert caught.value.issues[0].code == "too-costly"
    assert len(names.split(",")) < VALUES
