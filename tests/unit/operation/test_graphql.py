"""Queries of one resource, without a store: the page's own examples, and documents that cost more than they may."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from graphql import language

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import encode
from healix_fhir.operation.graphql import introspection, output
from healix_fhir.operation.graphql.document import DEPTH, FIELDS, document
from healix_fhir.operation.graphql.introspection import Projection
from healix_fhir.operation.graphql.output import Record, Size
from healix_fhir.operation.graphql.request import Asked
from healix_fhir.operation.graphql.selection import Compiler
from healix_fhir.operation.graphql.walk import Walk

PATIENT = {
    "resourceType": "Patient",
    "id": "example",
    "meta": {"versionId": "1"},
    "identifier": [{"system": "urn:oid:1.2.36.146.595.217.0.1", "value": "12345"}],
    "active": True,
    "name": [
        {"use": "official", "given": ["Peter", "James"], "family": "Chalmers"},
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "given": ["Peter", "James"], "family": "Windsor"},
    ],
    "telecom": [{"system": "phone", "value": "1", "rank": 1}, {"system": "phone", "value": "2", "rank": 2}],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "u:1", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "extension": [{"url": "u:a", "valueString": "some value"}, {"url": "u:b", "valueBoolean": False}],
    "contact": [
        {"name": {"family": "Marche", "_family": {"id": "f"}, "given": ["Bén"], "_given": [{"id": "g"}]}},
        {"name": {"given": ["X", None], "_given": [None, {"id": "y"}]}},
    ],
}
SYSTEM = "urn:oid:1.2.36.146.595.217.0.1"
NAMES = [
    {"given": ["Peter", "James"], "family": "Chalmers"},
    {"given": ["Jim"]},
    {"given": ["Peter", "James"], "family": "Windsor"},
]


def answer(query: str, **variables: Any) -> dict[str, Any]:
    """What a query of the patient answers."""
    found = document(Asked(query, variables))
    walk, record = Walk(Compiler(found), ("http://healix.test/fhir",)), Record(Size())
    walk.of_root(record, PATIENT, found.operation.selection_set)
    return record.finished()


@pytest.mark.spec("FHIR R4 graphql.html#flattening")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "{ identifier { system value } active name { text given family } }",
            {"identifier": [{"system": SYSTEM, "value": "12345"}], "active": True, "name": NAMES},
        ),
        (
            "{ identifier @flatten { system value } active name @flatten { text given family } }",
            {"system": [SYSTEM], "value": ["12345"], "active": True,
             "given": ["Peter", "James", "Jim", "Peter", "James"], "family": ["Chalmers", "Windsor"]},
        ),
        (
            "{ name @flatten { text given @first family } }",
            {"given": ["Peter", "Jim", "Peter"], "family": ["Chalmers", "Windsor"]},
        ),
        (
            """{ identifier @flatten { system @singleton value @singleton }
                 name @flatten @first { text given family @singleton } }""",
            {"system": SYSTEM, "value": "12345", "given": ["Peter", "James"], "family": "Chalmers"},
        ),
        (
            '{ name @flatten @slice(path: "use") { given family @singleton } }',
            {"given.official": ["Peter", "James"], "family.official": "Chalmers", "given.usual": ["Jim"],
             "given.maiden": ["Peter", "James"], "family.maiden": "Windsor"},
        ),
        (
            '{ name @flatten @slice(path: "$index") { given family @singleton } }',
            {"given.0": ["Peter", "James"], "family.0": "Chalmers", "given.1": ["Jim"],
             "given.2": ["Peter", "James"], "family.2": "Windsor"},
        ),
        (
            '{ telecom @slice(path: "rank") { value } }',
            {"telecom.1": [{"value": "1"}], "telecom.2": [{"value": "2"}]},
        ),
        (
            "{ contact @flatten { name @flatten { family given } } }",
            {"family": ["Marche"], "given": ["Bén", "X", None]},
        ),
    ],
)  # fmt: skip
def test_flattening(query: str, expected: dict[str, Any]) -> None:
    """The page's examples of its directives answer as the page says."""
    assert answer(query) == expected


@pytest.mark.spec("FHIR R4 graphql.html#fields")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "{ birthDate _birthDate { extension { valueDateTime } } }",
            {"birthDate": "1974-12-25", "_birthDate": {"extension": [{"valueDateTime": "1974-12-25T14:35:45-05:00"}]}},
        ),
        (
            "{ contact { name { given _given { id } _family { id } } } }",
            {"contact": [{"name": {"given": ["Bén"], "_given": [{"id": "g"}], "_family": {"id": "f"}}},
                         {"name": {"given": ["X", None], "_given": [None, {"id": "y"}]}}]},
        ),
        ("{ name(use: official) { family } }", {"name": [{"family": "Chalmers"}]}),
        ('{ name(fhirpath: "family.exists()", _offset: 1) { family } }', {"name": [{"family": "Windsor"}]}),
        ("{ name(given: James, _count: 1) { family } }", {"name": [{"family": "Chalmers"}]}),
        ("{ telecom(rank: 2) { value } }", {"telecom": [{"value": "2"}]}),
        ('{ myext: extension(url: "u:a") { value: valueString } }', {"myext": [{"value": "some value"}]}),
        ("{ extension(valueBoolean: false) { url } }", {"extension": [{"url": "u:b"}]}),
        ("{ name { ...N } ...P } fragment N on HumanName { family } fragment P on Resource { id resourceType }",
         {"name": [{"family": "Chalmers"}, {}, {"family": "Windsor"}], "id": "example", "resourceType": "Patient"}),
        ("{ name { family } name { use } }",
         {"name": [{"family": "Chalmers", "use": "official"}, {"use": "usual"},
                   {"family": "Windsor", "use": "maiden"}]}),
        ("{ ... on DomainResource { id } contact { __typename } photo { url } }",
         {"id": "example", "contact": [{"__typename": "PatientContact"}, {"__typename": "PatientContact"}]}),
    ],
)  # fmt: skip
def test_fields_and_their_arguments(query: str, expected: dict[str, Any]) -> None:
    """Elements by their JSON names, narrowed by FHIRPath, by the values in them and by their places."""
    assert answer(query) == expected


@pytest.mark.spec("GraphQL October 2021 sec-Language.Variables")
def test_variables() -> None:
    """They stand for arguments and conditions, with their defaults."""
    query = "query($u: code = usual, $n: Int, $i: Boolean!) { name(use: $u, _count: $n) { given } id @include(if: $i) }"
    assert answer(query, i=False) == {"name": [{"given": ["Jim"]}]}
    assert answer(query, i=True, u="maiden", n=0) == {"id": "example"}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("{ name @flatten { x: family } telecom @flatten { x: rank } }", "string and positiveInt"),
        ("{ name @flatten { family @singleton } }", "single"),
        ("{ name { family } name(use: usual) { family } }", "twice and differently"),
        ("{ a: id a: birthDate }", "twice and differently"),
        ('{ name @first @slice(path: "use") { family } }', "exclude"),
        ('{ name @slice(path: "given") { family } }', "one value"),
        ('{ name @slice(path: "(") { family } }', "FHIRPath"),
        ('{ name(fhirpath: "nothing(") { family } }', "FHIRPath"),
        ("{ name(_count: -1) { family } }", "whole number"),
        ("{ name(_count: [1]) { family } }", "whole number"),
        ("{ name(use: {a: 1}) { family } }", "takes a text"),
        ("{ name(use: [a, b]) { family } }", "one value"),
        ("{ birthDate(x: 1) }", "takes no argument"),
        ("{ maritalStatus(text: x) { text } }", "takes no argument"),
        ("query($i: Boolean) { id @include(if: $i) }", "'if' is true or false"),
        ("{ ...A } fragment A on Patient { ...B } fragment B on Patient { ...A }", "within itself"),
        ("query { id } query { id }", "anonymous"),
        ("{ id } fragment F on Patient { id }", "never used"),
        ("query($x: Int) { id }", "never used"),
        ("{ id @skip }", "@skip(if:)"),
        ('{ id @slice(path: "x", y: 1) }', "y"),
        ("type Query { id: ID }", "not executable"),
    ],
)
def test_what_is_refused(query: str, told: str) -> None:
    """What is ambiguous or no query is refused as invalid, and the reason names it."""
    with pytest.raises(HealixError) as refused:
        answer(query)
    assert refused.value.category is Category.INVALID
    assert told in refused.value.message


BOMB = " ".join(f"fragment F{n} on Patient {{ ...F{n + 1} ... @skip(if: false) {{ ...F{n + 1} }} }}" for n in range(40))
HOSTILE = {
    "deep": "{ " + "contact { organization { resource { " * 9 + "id" + " } } }" * 9 + " }",
    "very deep": "{ a " * 3000,
    "wide": "{ " + " ".join(f"x{n}: id" for n in range(FIELDS + 1)) + " }",
    "long": "{ id " + "# comment\n" * 5 + "id " * 9000 + "}",
    "a bomb of fragments": f"{{ ...F0 }} {BOMB} fragment F40 on Patient {{ id birthDate }}",
    "many operations": " ".join(f"query Q{n} {{ id }}" for n in range(300)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_cost_little(name: str) -> None:
    """What is too deep, too wide or too long is refused before anything is run, soon."""
    start = time.process_time()
    with pytest.raises(HealixError) as refused:
        document(Asked(HOSTILE[name]))
    assert refused.value.category in (Category.TOO_LARGE, Category.INVALID)
    assert time.process_time() - start < 5


def test_a_dear_expression_is_stopped() -> None:
    """FHIRPath that multiplies what it finds uses its budget up."""
    dear = "repeat(children()).select(%resource.descendants().select(%resource.descendants())).exists()"
    with pytest.raises(HealixError) as refused:
        answer(f'{{ name(fhirpath: "{dear}") {{ family }} }}')
    assert refused.value.category is Category.TOO_LARGE


@pytest.mark.parametrize("query", ["".join(f" x{n}: implicitRules" for n in range(40)), "x" * 90_000 + ": language"])
def test_an_answer_is_of_bounded_length(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long value under many names, and names that are long themselves, are refused before they are written."""
    monkeypatch.setattr(output, "LONGEST", 80_000)
    monkeypatch.setitem(PATIENT, "implicitRules", "u" * 4_000)
    monkeypatch.setitem(PATIENT, "language", "en")
    with pytest.raises(HealixError, match="characters") as refused:
        answer(f"{{ {query} }}")
    assert refused.value.category is Category.TOO_LARGE
    assert answer("{ implicitRules language }")["language"] == "en"


@pytest.mark.parametrize("value", [Decimal("1.50"), 2])
def test_variables_may_be_floats(value: Decimal | int) -> None:
    """A number of JSON is a Float and keeps its digits; a text is none."""
    query = "query($x: Float) { telecom(rank: $x) { value } }"
    assert document(Asked(query, {"x": value})).variables == {"x": value}
    for wrong in ("1.5", True):
        with pytest.raises(HealixError, match="Float"):
            document(Asked(query, {"x": wrong}))


def test_the_schema_is_of_bounded_length_under_several_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the schema is measured together."""
    monkeypatch.setattr(introspection, "MOST", 600_000)
    inner = "{ types { name fields { name } } }"
    found = document(Asked(f"{{ a: __schema {inner} b: __schema {inner} c: __schema {inner} }}"))
    projection = Projection(found.fragments, "Patient")
    nodes = [node for node in found.operation.selection_set.selections if isinstance(node, language.FieldNode)]
    assert all(projection.of(node, None) for node in nodes[:2])
    with pytest.raises(HealixError, match="characters") as refused:
        projection.of(nodes[2], None)
    assert refused.value.category is Category.TOO_LARGE


def test_the_schema_is_not_unrolled() -> None:
    """Types lead to types: what would be told many times over is refused before it is written."""
    inner = "name"
    for _ in range(5):
        inner = f"fields {{ type {{ name ofType {{ {inner} }} {inner} }} }}"
    found = document(Asked(f"{{ __schema {{ types {{ {inner} }} }} }}"))
    (node,) = found.operation.selection_set.selections
    start = time.process_time()
    with pytest.raises(HealixError) as refused:
        Projection(found.fragments, None).of(node, None)  # type: ignore[arg-type]
    assert refused.value.category is Category.TOO_LARGE
    assert time.process_time() - start < 30
    assert len(encode(introspection.schema(None)["types"])) < 20_000_000


def test_depth_is_allowed_up_to_the_limit() -> None:
    """One level less than too many is answered."""
    inner = "id"
    for _ in range((DEPTH - 1) // 2):
        inner = f"extension {{ extension {{ {inner} }} }}"
    assert answer(f"{{ {inner} }}") == {"extension": [{}, {}]}
