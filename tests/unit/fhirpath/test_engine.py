"""Paths into resources, FHIR's own functions and variables, and what the caller's environment adds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.fhirpath.engine import Environment, Node, compile_expression, expression, root
from tests.support.fhirpath import found, one
from tests.support.resources import Json, observation

PATIENT: Json = {
    "resourceType": "Patient",
    "id": "p",
    "contained": [
        {"resourceType": "Organization", "id": "o", "name": "Clinic", "partOf": {"reference": "#"}},
        {"resourceType": "Practitioner", "id": "d"},
    ],
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'},
    "active": True,
    "name": [
        {"family": "Byron", "given": ["Ada", None], "_given": [None, {"extension": [{"url": "urn:n"}]}]},
        {"text": "x"},
    ],
    "birthDate": "1815-12-10",
    "_birthDate": {"id": "b", "extension": [{"url": "urn:time", "valueDateTime": "1815-12-10T12:00:00Z"}]},
    "_gender": {"extension": [{"url": "urn:unknown"}]},
    "multipleBirthInteger": 2,
    "maritalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]},
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "#d"}, {"reference": "Practitioner/x"}, {"reference": "Practitioner/y"}],
    "link": [{"other": {"reference": "Patient/q"}, "type": "seealso"}],
    "modifierExtension": [{"url": "urn:mod", "valueBoolean": True}],
}


def places(text: str, resource: Json = PATIENT, environment: Environment | None = None) -> list[str]:
    """Where the items are that an expression finds."""
    nodes = compile_expression(text).evaluate(resource, environment=environment or Environment())
    return [node.location for node in nodes]


@pytest.mark.spec("FHIRPath N1 path-selection", "FHIR R4 fhirpath.html#polymorphism")
@pytest.mark.parametrize(
    ("text", "locations"),
    [
        ("name.given", ["Patient.name[0].given[0]", "Patient.name[0].given[1]"]),
        ("Patient.name[1].text", ["Patient.name[1].text"]),
        ("Observation.code", []),
        ("Resource.id", ["Patient.id"]),
        ("multipleBirth", ["Patient.multipleBirth"]),
        ("multipleBirthInteger", []),
        ("gender", ["Patient.gender"]),
        ("birthDate.id", ["Patient.birthDate.id"]),
        ("birthDate.extension.value", ["Patient.birthDate.extension[0].value"]),
        ("name.given.extension.url", ["Patient.name[0].given[1].extension[0].url"]),
        ("contained.name", ["Patient.contained[0].name"]),
        ("link.other", ["Patient.link[0].other"]),
        ("maritalStatus.children()", ["Patient.maritalStatus.coding[0]"]),
        ("birthDate.children()", ["Patient.birthDate.id", "Patient.birthDate.extension[0]"]),
        ("gender.descendants()", ["Patient.gender.extension[0]", "Patient.gender.extension[0].url"]),
        ("name.nothing", []),
        ("1", [""]),
    ],
)
def test_paths(text: str, locations: list[str]) -> None:
    """A path finds elements by their FHIR names, primitives that have only extensions among them."""
    assert places(text) == locations


@pytest.mark.spec("FHIR R4 fhirpath.html#functions")
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("birthDate.extension('urn:time').value", ["1815-12-10T12:00:00Z"]),
        ("birthDate.extension('urn:none').value", []),
        ("name.given.select(hasValue())", [True, False]),
        ("name.hasValue()", [False]),
        ("gender.hasValue()", [False]),
        ("birthDate.getValue() is System.Date", [True]),
        ("name[0].getValue()", []),
        ("gender.getValue()", []),
        ("managingOrganization.resolve().name", ["Clinic"]),
        ("managingOrganization.resolve().partOf.resolve().id", ["p"]),
        ("generalPractitioner.resolve().id", ["d"]),
        ("'#o'.resolve().name", ["Clinic"]),
        ("text.div.htmlChecks()", [True]),
        ("text.status.htmlChecks()", [False]),
        ("checkModifiers('urn:mod').id", ["p"]),
        ("link.type.memberOf('http://hl7.org/fhir/ValueSet/link-type|4.0.1')", [True]),
        ("id.memberOf('http://hl7.org/fhir/ValueSet/link-type')", [False]),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", [True]),
        ("{}.memberOf('urn:x')", []),
        ("%resource.id | %rootResource.id | %context.id", ["p"]),
        ("%`ext-x`", ["http://hl7.org/fhir/StructureDefinition/x"]),
        ("%vs-x", ["http://hl7.org/fhir/ValueSet/x"]),
        ("%'ucum'", ["http://unitsofmeasure.org"]),
    ],
)
def test_functions_of_fhir(text: str, values: list[Any]) -> None:
    """The functions and variables that FHIR adds."""
    assert found(text, PATIENT) == values


@pytest.mark.parametrize(
    ("text", "category", "reason"),
    [
        ("maritalStatus.memberOf('urn:x')", Category.UNSUPPORTED, "urn:x"),
        ("active.memberOf('http://hl7.org/fhir/ValueSet/link-type')", Category.INVALID, "boolean"),
        ("conformsTo('urn:profile')", Category.INVALID, "urn:profile"),
        ("name.slice('urn:p', 's')", Category.UNSUPPORTED, "slice()"),
        ("checkModifiers()", Category.INVALID, "urn:mod"),
        ("maritalStatus & 'x'", Category.INVALID, "CodeableConcept"),
        ("managingOrganization.startsWith('x')", Category.INVALID, "Reference"),
    ],
)
def test_what_nobody_knows_is_refused(text: str, category: Category, reason: str) -> None:
    """Without an answer from the environment a function is refused by name: no rule holds or fails by accident."""
    with pytest.raises(HealixError) as refusal:
        found(text, PATIENT)
    assert refusal.value.category is category
    assert reason in refusal.value.message


def test_hooks_answer() -> None:
    """The environment resolves references, and knows value sets, profiles, slices, constants and where traces go."""
    traced: list[tuple[str, list[str]]] = []
    environment = Environment(
        resolve=lambda reference: {"resourceType": "Practitioner", "id": "x"} if reference.endswith("/x") else None,
        member_of=lambda node, url: node.value["coding"][0]["code"] == "M" if url == "urn:x" else None,
        conforms_to=lambda node, url: node.type == "Patient" if url == "urn:p" else None,
        in_slice=lambda node, _profile, name: node.value.get("family") == name,
        trace=lambda name, items: traced.append((name, [item.location for item in items])),
        constants={"year": compile_expression("2024").evaluate({})},
    )
    assert places("generalPractitioner.resolve()", PATIENT, environment) == ["Patient.contained[1]", "Practitioner"]
    assert one("maritalStatus.memberOf('urn:x')", PATIENT, environment) is True
    assert one("conformsTo('urn:p')", PATIENT, environment) is True
    assert places("name.slice('urn:p', 'Byron')", PATIENT, environment) == ["Patient.name[0]"]
    assert one("%year + 1", PATIENT, environment) == 2025
    assert one("name.trace('t', given).count()", PATIENT, environment) == 2
    assert traced == [("t", ["Patient.name[0].given[0]", "Patient.name[0].given[1]"])]


def test_references_within_a_bundle() -> None:
    """A reference is resolved to the entry of that fullUrl, absolute, relative or urn."""
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "https://h.example/fhir/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}},
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Organization", "id": "o"}},
            {
                "resource": observation(
                    "Patient/p", performer=[{"reference": "urn:uuid:1"}, {"reference": "urn:uuid:2"}]
                )
            },
        ],
    }
    assert places("entry.resource.ofType(Observation).subject.resolve()", bundle) == ["Bundle.entry[0].resource"]
    assert places("entry.resource.performer.resolve()", bundle) == ["Bundle.entry[1].resource"]


def test_focus_and_variables_of_a_contained_resource() -> None:
    """From a focus within, %resource is the contained resource, %rootResource its container, %context the focus."""
    (name,) = compile_expression("contained.name").evaluate(PATIENT)
    for text, wanted in (("%resource.id", "o"), ("%rootResource.id", "p"), ("%context", "Clinic"), ("$this", "Clinic")):
        (node,) = compile_expression(text).evaluate(PATIENT, focus=name)
        assert node.value == wanted


@pytest.mark.spec("FHIR R4 fhirpath.html")
@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("active", True),
        ("active.not()", False),
        ("gender = 'male'", False),
        ("name", True),
        ("photo", False),
        ("name.count() = 2", True),
        ("contained.all(descendants().as(uri).empty())", True),
    ],
)
def test_invariants(text: str, holds: bool) -> None:
    """A boolean is its value, another item holds, an empty collection does not."""
    environment = Environment(several_as=True)
    assert expression(text).holds(PATIENT, environment) is holds
    assert expression(text).holds(root(PATIENT), environment) is holds


@pytest.mark.spec("FHIR R4 fhirpath.html#quantity")
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("value = 72 '/min'", True),
        ("value < 1.3 '/s'", True),
        ("value.value + 1", Decimal(73)),
        ("referenceRange.low <= referenceRange.high", True),
        ("component[0].value = component[1].value", None),
        ("component[0].value = 3 days", True),
        ("component[2].value < 5", None),
        ("component[2].value = component[2].value", True),
        ("component[1].value = 3", None),
    ],
)
def test_quantities_of_fhir(text: str, answer: Any) -> None:
    """A Quantity with a UCUM code is a quantity of FHIRPath; one without is compared with its own unit only."""
    resource = observation(
        referenceRange=[{"low": {"value": 1, "unit": "drops"}, "high": {"value": 2, "unit": "drops"}}],
        component=[
            {"code": {"text": "a"}, "valueQuantity": {"value": 3, "system": "http://unitsofmeasure.org", "code": "d"}},
            {"code": {"text": "b"}, "valueQuantity": {"value": 3, "unit": "days"}},
            {"code": {"text": "c"}, "valueQuantity": {"value": 3, "comparator": "<"}},
        ],
    )
    assert one(text, resource) == answer


@pytest.mark.spec("FHIR R4 fhirpath.html#types")
@pytest.mark.parametrize(
    ("type_name", "answer"),
    [("Age", True), ("Quantity", True), ("Duration", False), ("Element", True), ("string", False)],
)
def test_specialised_types(type_name: str, answer: bool) -> None:
    """An Age is a Quantity and an Element, and no Duration; `as` and `ofType()` agree."""
    resource = observation(extension=[{"url": "urn:age", "valueAge": {"value": 5}}])
    assert one(f"extension('urn:age').value is {type_name}", resource) is answer
    assert one(f"extension('urn:age').value.as({type_name}).exists()", resource) is answer
    assert one(f"extension('urn:age').value.ofType(FHIR.{type_name}).exists()", resource) is answer


@pytest.mark.spec("FHIRPath N1 type-safety-and-strict-evaluation")
@pytest.mark.parametrize(
    "text",
    [
        "Patient.nam",
        "name.givn",
        "Observation.code",
        "name.where(givn = 'x')",
        "name.select(family.first().x)",
        "multipleBirthInteger",
        "(multipleBirth as integer).x",
        "birthDate.value",
        "children().first()",
        "descendants()[0]",
        "name.exists().x",
        "extension('x').vlue",
    ],
)
def test_check_refuses_what_cannot_be(text: str) -> None:
    """Before anything is evaluated, an element that no type on the way has is refused; so is order where none is."""
    with pytest.raises(HealixError) as refusal:
        expression(text).check("Patient")
    assert refusal.value.category is Category.INVALID


@pytest.mark.parametrize(
    "text",
    [
        "Patient.name.given | Patient.name.family",
        "contained.name",
        "generalPractitioner.resolve().anything",
        "descendants().where(reference = '#')",
        "name.where(given.exists()).select(family | given).first()",
        "multipleBirth.ofType(integer) + 1",
        "birthDate.extension.value.as(dateTime).toString()",
        "iif(active, name, contact.name).given",
        "%resource.anything | $this.id | {}.x",
        "link.other.type().name",
    ],
)
def test_check_accepts_what_may_be(text: str) -> None:
    """Where the type is open nothing is said."""
    expression(text).check("Patient")


def test_broken_resources_are_followed() -> None:
    """Evaluation never fails but with a HealixError, whatever JSON it is given."""
    broken: Json = {
        "resourceType": "Patient",
        "name": "x",
        "birthDate": 5,
        "_birthDate": [1],
        "contact": [[1], None, {"name": [{"family": {}}]}],
        "contained": ["x", {"resourceType": ["y"]}],
        "active": "yes",
        "multipleBirthInteger": Decimal("1e999999"),
    }
    assert found("name.given | contact.name.family.extension", broken) == []
    assert one("descendants().count()", broken) > 5
    for text in ("birthDate < today()", "active and true = active", "multipleBirth + 1"):
        with pytest.raises(HealixError):
            found(text + " = 1", broken)


@pytest.mark.parametrize(
    "text",
    [
        "1.repeat($this + 1)",
        "'a'.repeat($this & $this)",
        "(1 | 2)" + ".select($this.combine($this))" * 40,
        "descendants()" + ".select(%resource.descendants()" * 20 + ")" * 20,
        "'ab'.repeat($this.replace('', $this))",
        "a" + ".a" * 250,
        "(" * 120 + "1" + ")" * 120,
        "1" * 20_001,
    ],
)
def test_hostile_expressions_end(text: str) -> None:
    """Depth, size and work are bounded: what would not end is refused."""
    with pytest.raises(HealixError) as refusal:
        found(text, PATIENT)
    assert refusal.value.category in (Category.TOO_LARGE, Category.INVALID)


@pytest.mark.parametrize(
    "text",
    [
        "%resource.name[0].family & $this",
        "%resource.name[0].family + $this",
        "%resource.name[0].family ~ %resource.name[1].family",
        "%resource.name[0].family = %resource.name[1].family",
        "%resource.name[0].family < %resource.name[1].family",
        "%resource.name[0].family.substring(1)",
        "%resource.name[0].family.split('/')",
        "%resource.name[0].family.toBoolean()",
        "%resource.name.family.join($this)",
        "'aaaaaaaaaa'.replace('a', %resource.name[2].family)",
    ],
)
def test_long_strings_cost_what_they_are_long(text: str) -> None:
    """Work on strings is paid for by their length: a few characters of expression make no gigabytes."""
    given = {"family": "b" * 200_000, "given": ["x"] * 1000}
    hostile = {"resourceType": "Patient", "name": [given, {"family": "b" * 199_999 + "c"}, {"family": "d" * 90_000}]}
    with pytest.raises(HealixError) as refusal:
        found(f"name.given.select({text})", hostile)
    assert refusal.value.category is Category.TOO_LARGE


def test_nodes_without_a_resource() -> None:
    """An element may be the focus without the resource that it comes from."""
    period = Node({"start": "2020", "end": "2019"}, "Period", "Period", None, None, "Period")
    assert expression("start.hasValue().not() or end.hasValue().not() or (start <= end)").holds(period) is False
