"""Includes: what comes with the matches, its limit, and the number of statements."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.query import parse
from healix_fhir.search.run import search
from tests.support.resources import encounter, observation, organization, patient
from tests.support.search import BASE, EVERYONE, SIGNER, Clinic


def _included(clinic: Clinic, address: str, scope: str = "system/*.rs", **owner: str) -> list[str]:
    access = clinic.access(scope, **owner)
    return [f"{hit.type}/{hit.id}" for hit in clinic.page(address, access).entries if hit.mode == "include"]


def test_an_include_needs_a_scope_for_the_included_type(clinic: Clinic) -> None:
    """Read or search permission opens an included type; without either nothing of it comes along, and no error."""
    clinic.put(patient(id="p"), observation("Patient/p", id="o"))
    address = "Observation?_include=Observation:subject"
    assert _included(clinic, address, "system/Observation.rs system/Patient.r") == ["Patient/p"]
    assert _included(clinic, address, "system/Observation.rs system/Patient.s") == ["Patient/p"]
    assert _included(clinic, address, "system/Observation.rs system/Patient.u") == []
    assert _included(clinic, address, "system/Observation.rs") == []


def test_an_include_never_leaves_the_compartment(clinic: Clinic) -> None:
    """A token of one patient sees the shared resource of two, but not the other patient."""
    recipients = [{"reference": "Patient/p"}, {"reference": "Patient/q"}]
    clinic.put(
        patient(id="p"),
        patient(id="q"),
        {"resourceType": "Communication", "id": "c", "status": "completed", "recipient": recipients},
    )
    address = "Communication?_include=Communication:recipient"
    assert _included(clinic, address, "patient/*.rs", patient="q") == ["Patient/q"]
    assert _included(clinic, address) == ["Patient/p", "Patient/q"]


def test_what_passes_the_limit_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Includes beyond the limit are left out, and the answer says so."""
    monkeypatch.setattr("healix_fhir.search.included.LIMIT", 2)
    for n in range(3):
        clinic.put(patient(id=f"p{n}"), observation(f"Patient/p{n}", id=f"o{n}"))
    page = clinic.page("Observation?_include=Observation:subject")
    assert [hit.mode for hit in page.entries].count("include") == 2
    assert [issue.code for issue in page.ignored] == ["too-costly"]


@pytest.mark.parametrize("count", [1, 50])
def test_a_search_costs_two_statements(clinic: Clinic, count: int) -> None:
    """One for matches and total, one for all includes, however many there are."""
    for n in range(5):
        clinic.put(patient(id=f"p{n}"), observation(f"Patient/p{n}", id=f"o{n}"))
    params = [("_include", "Observation:subject"), ("_include", "Observation:encounter"), ("_total", "accurate")]
    query = parse("Observation", [*params, ("_count", str(count))])
    assert clinic.statements(search(EVERYONE, query, base=BASE, signer=SIGNER)) == 2


def test_without_a_scope_for_the_type_a_search_is_refused(clinic: Clinic) -> None:
    """A read scope is no search scope; a scope without its patient sees nothing."""
    clinic.put(patient(id="p"), observation("Patient/p", id="o"))
    with pytest.raises(HealixError) as refusal:
        clinic.page("Observation", clinic.access("system/Observation.r"))
    assert refusal.value.category is Category.FORBIDDEN
    nobody = clinic.access("patient/*.rs user/*.rs")
    for query in ("", "code=8867-4", "patient=p", "patient=p&code=8867-4", "_id=o"):
        page = clinic.page(f"Observation?{query}&_total=accurate", nobody)
        assert (page.entries, page.total) == ([], 0)


def test_nothing_runs_before_the_scope_is_checked() -> None:
    """The refusal costs no statement."""
    query = parse("Observation", [])
    access = type(EVERYONE)(scopes=frozenset())
    with pytest.raises(HealixError):
        next(search(access, query, base=BASE, signer=SIGNER))


def _chain_of_organizations(clinic: Clinic, last: str) -> None:
    """o0 part of o1, ... part of o4, part of `last`."""
    for n in range(5):
        above = f"o{n + 1}" if n < 4 else last
        clinic.put(organization(id=f"o{n}", partOf={"reference": f"Organization/{above}"}))


@pytest.mark.spec("FHIR R4 search.html#include")
def test_an_iterated_include_follows_what_it_included_and_ends_where_it_came_from(clinic: Clinic) -> None:
    """`:iterate` goes on to the end of the line, or round a loop once; without it there is one step."""
    _chain_of_organizations(clinic, "o0")
    one = "Organization?_id=o0&_include{}=Organization:partof"
    assert _included(clinic, one.format("")) == ["Organization/o1"]
    for modifier in (":iterate", ":recurse"):
        assert _included(clinic, one.format(modifier)) == [f"Organization/o{n}" for n in (1, 2, 3, 4)]
    back = "Organization?_id=o0&_revinclude{}=Organization:partof"
    assert _included(clinic, back.format("")) == ["Organization/o4"]
    assert _included(clinic, back.format(":iterate")) == [f"Organization/o{n}" for n in (1, 2, 3, 4)]


@pytest.mark.spec("FHIR R4 search.html#revinclude")
def test_reverse_includes_bring_what_refers_to_the_matches(clinic: Clinic) -> None:
    """By one parameter, by every one of a type, by every one there is; iterated over what was included."""
    clinic.put(
        patient(id="p", managingOrganization={"reference": "Organization/o"}),
        organization(id="o"),
        encounter("Patient/p", id="e"),
        observation("Patient/p", id="a", encounter={"reference": "Encounter/e"}),
        observation("Patient/q", id="b", encounter={"reference": "Encounter/e"}),
    )
    own = "Encounter/e Observation/a"
    for reverse, expected in (
        ("_revinclude=Observation:subject", "Observation/a"),
        ("_revinclude=Observation:subject:Patient", "Observation/a"),
        ("_revinclude=Encounter:*", "Encounter/e"),
        ("_revinclude=*", own),
        ("_revinclude=Encounter:patient&_revinclude:iterate=Observation:encounter", f"{own} Observation/b"),
        ("_include=*", "Organization/o"),
        ("_include=Patient:*&_revinclude=Observation:patient", "Observation/a Organization/o"),
    ):  # fmt: skip
        assert sorted(_included(clinic, f"Patient?_id=p&{reverse}")) == expected.split(), reverse
    iterated = "Observation?_id=a&_include=Observation:encounter&_include:iterate=Encounter:patient:Patient"
    assert sorted(_included(clinic, iterated)) == ["Encounter/e", "Patient/p"]
    assert sorted(_included(clinic, f"{iterated}&_include:iterate=Patient:organization")) == [
        "Encounter/e",
        "Organization/o",
        "Patient/p",
    ]


@pytest.mark.parametrize("reverse", ["_revinclude=*", "_revinclude=Observation:performer", "_revinclude=Observation:*"])
def test_what_refers_to_something_shared_is_brought_to_whom_it_concerns(clinic: Clinic, reverse: str) -> None:
    """Many patients' resources refer to one practitioner: of these each caller gets what a search would show."""
    by = {"performer": [{"reference": "Practitioner/d"}]}
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/d"}}
    clinic.put({"resourceType": "Practitioner", "id": "d"}, role)
    clinic.put(*(observation(f"Patient/{id_}", id=f"o{id_}", **by) for id_ in ("p", "q")))
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'e', pat, 's' FROM patient_key WHERE id = 'q'"
    )
    address = f"Practitioner?_id=d&{reverse}"
    shared = {"PractitionerRole/r"} if reverse.endswith("=*") else set()
    assert set(_included(clinic, address)) == {"Observation/op", "Observation/oq"} | shared
    assert set(_included(clinic, address, "patient/*.rs", patient="p")) == {"Observation/op"} | shared
    for wide in (False, True):
        access = replace(clinic.access("user/*.rs", practitioner="e"), wide=wide)
        found = {f"{hit.type}/{hit.id}" for hit in clinic.page(address, access).entries if hit.mode == "include"}
        assert found == {"Observation/oq"} | shared


@pytest.mark.spec("FHIR R4 references.html#canonical")
def test_what_is_reached_forward_and_back_comes_once(clinic: Clinic) -> None:
    """Two resources that refer to each other bring each other once, to who sees everything and to one patient's app."""
    for id_, other in (("e", "f"), ("f", "e")):
        clinic.put(encounter("Patient/p", id=id_) | {"partOf": {"reference": f"Encounter/{other}"}})
    address = "Encounter?_id=e&_include=Encounter:part-of&_revinclude=Encounter:part-of"
    assert _included(clinic, address) == ["Encounter/f"]
    assert _included(clinic, address, "patient/*.rs", patient="p") == ["Encounter/f"]
    assert _included(clinic, address, "patient/*.rs", patient="q") == []


def test_references_of_many_types_bring_what_is_visible_of_each(clinic: Clinic) -> None:
    """Each type of what refers to a match is asked for by its own scope."""
    clinic.put(patient(id="p"), organization(id="o"), observation("Patient/p", id="v"), encounter("Patient/p", id="e"))
    clinic.put(
        {"resourceType": "Group", "id": "g", "type": "person", "member": [{"entity": {"reference": "Patient/p"}}]}
    )
    owner = {"patient": "p"}
    for address in ("Patient?_id=p&_revinclude=*", "Patient?_id=p&_revinclude=Observation:*&_revinclude=Encounter:*"):
        assert _included(clinic, address, "patient/Patient.s patient/Observation.s", **owner) == ["Observation/v"]
        assert _included(clinic, address, "patient/Patient.s patient/Encounter.r", **owner) == ["Encounter/e"]
        assert _included(clinic, address, "patient/Patient.s", **owner) == []
        everything = set(_included(clinic, address, "patient/*.rs", **owner))
        assert everything - {"Group/g"} == {"Observation/v", "Encounter/e"}
        assert everything == set(_included(clinic, address))


def test_canonical_references_are_included(clinic: Clinic) -> None:
    """What a canonical URL names comes along, in the version that it names, and the other way round."""
    url = "http://p.test/q"
    clinic.put(
        {"resourceType": "Questionnaire", "id": "one", "status": "active", "url": url, "version": "1"},
        {"resourceType": "Questionnaire", "id": "two", "status": "active", "url": url, "version": "2"},
        {"resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "questionnaire": f"{url}|2"},
    )
    assert _included(clinic, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire") == [
        "Questionnaire/two"
    ]
    assert _included(clinic, "Questionnaire?_id=two&_revinclude=QuestionnaireResponse:questionnaire") == [
        "QuestionnaireResponse/r"
    ]
    assert _included(clinic, "Questionnaire?_id=one&_revinclude=QuestionnaireResponse:questionnaire") == []


def test_no_step_of_an_include_leaves_what_the_caller_may_see(clinic: Clinic) -> None:
    """An iterated include does not pass through what is not visible, nor a wildcard show what has no scope."""
    clinic.put(
        patient(id="p", managingOrganization={"reference": "Organization/o"}),
        organization(id="o", partOf={"reference": "Organization/top"}),
        organization(id="top"),
        encounter("Patient/p", id="e"),
        encounter("Patient/q", id="f", partOf={"reference": "Encounter/e"}),
    )
    deep = (
        "Patient?_id=p&_include=*&_include:iterate=Organization:partof"
        "&_revinclude=*&_revinclude:iterate=Encounter:part-of"
    )
    everything = ["Encounter/e", "Encounter/f", "Organization/o", "Organization/top"]
    assert sorted(_included(clinic, deep)) == everything
    assert sorted(_included(clinic, deep, "patient/*.rs", patient="p")) == [
        "Encounter/e",
        "Organization/o",
        "Organization/top",
    ]
    assert _included(clinic, deep, "system/Patient.rs system/Organization.cud") == []
    assert sorted(_included(clinic, deep, "system/Patient.rs system/Encounter.r")) == ["Encounter/e", "Encounter/f"]
