"""The rows that each parameter type makes of each data type, seen through whole resources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search import tokens
from healix_fhir.search.extract import extract
from healix_fhir.search.params.reference import LIMIT
from healix_fhir.store.index import IndexRows

BASES = ("https://healix.example/fhir",)
LOINC = "http://loinc.org"


def number(type_name: str, code: str) -> int:
    """The id of a search parameter."""
    return search_parameters(type_name)[code].id


def rows(type_name: str, **elements: Any) -> IndexRows:
    """The index rows of a resource of the given elements."""
    return extract({"resourceType": type_name, **elements}, type_name, BASES)


@pytest.mark.parametrize(
    ("type_name", "code", "elements", "system", "token"),
    [
        ("Observation", "code", {"code": {"coding": [{"system": LOINC, "code": "1-8"}]}}, LOINC, "1-8"),
        ("Observation", "code", {"code": {"coding": [{"code": "x"}]}}, None, "x"),
        ("Observation", "category", {"category": [{"coding": [{"system": LOINC}]}]}, LOINC, None),
        ("Patient", "identifier", {"identifier": [{"system": "urn:mrn", "value": "7"}]}, "urn:mrn", "7"),
        ("Patient", "identifier", {"identifier": [{"value": "7"}]}, None, "7"),
        ("Patient", "active", {"active": False}, "http://hl7.org/fhir/special-values", "false"),
        ("Patient", "gender", {"gender": "male"}, "http://hl7.org/fhir/administrative-gender", "male"),
        ("Patient", "language", {"communication": [{"language": {"coding": [{"code": "de"}]}}]}, None, "de"),
        ("Patient", "phone", {"telecom": [{"system": "phone", "value": "55"}]}, "phone", "55"),
        ("Patient", "telecom", {"telecom": [{"system": "email", "value": "a@b"}]}, "email", "a@b"),
        ("Patient", "deceased", {}, "http://hl7.org/fhir/special-values", "false"),
        ("Patient", "deceased", {"deceasedDateTime": "2020"}, "http://hl7.org/fhir/special-values", "true"),
        ("Encounter", "class", {"class": {"system": "urn:act", "code": "AMB"}}, "urn:act", "AMB"),
        ("AuditEvent", "site", {"source": {"site": "ward"}}, None, "ward"),
        ("MessageHeader", "event", {"eventUri": "urn:event"}, None, "urn:event"),
        ("Patient", "_tag", {"meta": {"tag": [{"system": "urn:t", "code": "demo"}]}}, "urn:t", "demo"),
        ("Patient", "_security", {"meta": {"security": [{"system": "urn:s", "code": "R"}]}}, "urn:s", "R"),
    ],
)
def test_token(type_name: str, code: str, elements: Any, system: str | None, token: str | None) -> None:
    """A token of each data type is found in all ways of asking, and the system of a bare code is the implied one."""
    found = rows(type_name, **elements)
    expected = tokens.ways(number(type_name, code), system, token)
    assert expected
    assert set(expected) <= set(found.toks)


def test_hot_tokens_carry_their_system() -> None:
    """A hot token is one row of its code and its system, null without one, and is among all tokens too."""
    found = rows("Observation", code={"coding": [{"system": LOINC, "code": "1-8"}, {"code": "x"}, {"system": LOINC}]})
    param = number("Observation", "code")
    expected = {
        (tokens.any_system(param, "1-8"), tokens.of_system(LOINC, "1-8")),
        (tokens.any_system(param, "x"), None),
    }
    assert expected <= set(found.hot)
    assert {h for h, _ in found.hot} <= set(found.toks)
    assert len(found.hot) == len(set(found.hot)) == 2


def test_hot_component_code() -> None:
    """The codes of components are hot: blood pressure is asked for by them."""
    found = rows("Observation", component=[{"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}}])
    assert {h for h, _ in found.hot} == {tokens.any_system(number("Observation", "component-code"), "8480-6")}


def test_a_union_of_parameters_has_no_rows_of_its_own() -> None:
    """`combo-code` reads the rows of `code` and `component-code`."""
    code = {"coding": [{"system": LOINC, "code": "8480-6"}]}
    found = rows("Observation", code=code, component=[{"code": code}])
    combined = tokens.ways(number("Observation", "combo-code"), LOINC, "8480-6")
    assert found.toks
    assert not set(combined) & set(found.toks)


def test_identifier_of_type() -> None:
    """An identifier's value is also found together with each code of its type."""
    type_ = {"coding": [{"system": "urn:v2", "code": "MR"}, {"system": "urn:v2"}]}
    found = rows("Patient", identifier=[{"type": type_, "value": "7"}, {"type": type_}])
    assert tokens.of_type(number("Patient", "identifier"), "urn:v2", "MR", "7") in found.toks


@pytest.mark.parametrize(
    ("type_name", "code", "elements", "value"),
    [
        ("ValueSet", "url", {"url": "http://x.example/A"}, "http://x.example/A"),
        ("Patient", "_profile", {"meta": {"profile": ["http://p.example|1"]}}, "http://p.example|1"),
        ("Patient", "_source", {"meta": {"source": "urn:feed"}}, "urn:feed"),
        ("DocumentReference", "location", {"content": [{"attachment": {"url": "https://d.example/1"}}]}, "https://d.example/1"),
    ],
)  # fmt: skip
def test_uri(type_name: str, code: str, elements: Any, value: str) -> None:
    """A uri is found whole and literally."""
    assert tokens.uri(number(type_name, code), value) in rows(type_name, **elements).toks


NAME = {"family": "O'Hara", "given": ["Ève", None], "prefix": ["Dr."], "text": "Ève O'Hara"}
ADDRESS = {"line": ["1 Rue X"], "city": "Paris", "postalCode": "75001", "country": "FR", "_city": {"id": "1"}}


@pytest.mark.parametrize(
    ("type_name", "code", "elements", "strings"),
    [
        (
            "Patient",
            "name",
            {"name": [NAME]},
            {("ohara", "O'Hara"), ("eve", "Ève"), ("dr", "Dr."), ("eve ohara", "Ève O'Hara")},
        ),
        ("Patient", "family", {"name": [NAME]}, {("ohara", "O'Hara")}),
        ("Patient", "given", {"name": [NAME]}, {("eve", "Ève")}),
        (
            "Patient",
            "address",
            {"address": [ADDRESS]},
            {("1 rue x", "1 Rue X"), ("paris", "Paris"), ("75001", "75001"), ("fr", "FR")},
        ),
        ("Organization", "name", {"name": "Healix", "alias": ["HX", "HX"]}, {("healix", "Healix"), ("hx", "HX")}),
        ("Observation", "value-string", {"valueCodeableConcept": {"text": "Low"}}, {("low", "Low")}),
        ("Library", "description", {"description": "*Md*"}, {("md", "*Md*")}),
        ("Patient", "phonetic", {"name": [NAME]}, set()),
        ("Organization", "name", {"name": " "}, set()),
    ],
)
def test_string(type_name: str, code: str, elements: Any, strings: set[tuple[str, str]]) -> None:
    """Each part of a name or address is a string of its own, once folded and once as it is."""
    param = number(type_name, code)
    found = [row for row in rows(type_name, **elements).strings if row[0] == param]
    assert {row[1:3] for row in found} == strings
    assert len(found) == len(strings)


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("Patient/1", (TYPE_ID["Patient"], "1")),
        ("Patient/1/_history/3", (TYPE_ID["Patient"], "1")),
        ("https://healix.example/fhir/Patient/1", (TYPE_ID["Patient"], "1")),
        ("https://healix.example/fhir/Patient/1/_history/3", (TYPE_ID["Patient"], "1")),
        ("https://other.example/fhir/Patient/1", (None, "https://other.example/fhir/Patient/1")),
        ("https://other.example/Patient/1/_history/3", (None, "https://other.example/Patient/1")),
        ("https://healix.example/fhirX/Patient/1", (None, "https://healix.example/fhirX/Patient/1")),
        ("urn:uuid:5d9cdb1b-1b1f-4e1a-9f0e-0b9f0f0f0f0f", (None, "urn:uuid:5d9cdb1b-1b1f-4e1a-9f0e-0b9f0f0f0f0f")),
        ("Nonsense/1", (None, "Nonsense/1")),
        ("#p", None),
    ],
)
def test_reference(reference: str, target: tuple[int | None, str] | None) -> None:
    """A reference to this server is type and id, whichever way it is written; any other is its URL."""
    found = rows("Observation", subject={"reference": reference}).references
    param = number("Observation", "subject")
    assert [row[1:] for row in found if row[0] == param] == ([] if target is None else [target])


def test_reference_by_identifier() -> None:
    """The identifier of a reference is a token of the parameter, with or without a literal reference."""
    found = rows("Observation", subject={"identifier": {"system": "urn:mrn", "value": "7"}})
    assert set(tokens.ways(number("Observation", "subject"), "urn:mrn", "7")) <= set(found.toks)
    assert found.references == ()
    assert found.patients == ()


def test_canonical() -> None:
    """A canonical is found with and without its version."""
    found = rows("QuestionnaireResponse", questionnaire="http://q.example/1|2.0").references
    assert {row[1:] for row in found} == {(None, "http://q.example/1|2.0"), (None, "http://q.example/1")}


def test_long_url() -> None:
    """A URL of any length fits into a B-tree entry, and two long ones stay apart."""
    links = ["https://x.example/" + "ü" * 5000 + end for end in "ab"]
    targets = [rows("Observation", subject={"reference": link}).references[0][2] for link in links]
    assert targets[0] != targets[1]
    assert all(len(target) <= LIMIT and len(target.encode()) < 2704 for target in targets)


def test_resource_in_a_bundle() -> None:
    """The first entry of a document Bundle is what `composition` refers to."""
    entries = [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"resourceType": "Patient"}}]
    found = rows("Bundle", entry=entries).references
    assert (number("Bundle", "composition"), TYPE_ID["Composition"], "c") in found


def test_date() -> None:
    """A date parameter has its interval; the main clinical date of the type is `d` and `d_hi`, and no row."""
    found = rows("Observation", effectiveDateTime="2013-01-14", valueDateTime="2013")
    assert (found.d, found.d_hi) == (datetime(2013, 1, 14, tzinfo=UTC), datetime(2013, 1, 15, tzinfo=UTC))
    span = (datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
    assert found.dates == ((number("Observation", "value-date"), *span),)


def test_open_main_date() -> None:
    """A running Encounter has a start and an open end; one with an end only has an open start."""
    running = rows("Encounter", period={"start": "2013-01-14"})
    assert (running.d, running.d_hi) == (datetime(2013, 1, 14, tzinfo=UTC), None)
    ended = rows("Encounter", period={"end": "2013-01-14"})
    assert (ended.d, ended.d_hi) == (None, datetime(2013, 1, 15, tzinfo=UTC))
