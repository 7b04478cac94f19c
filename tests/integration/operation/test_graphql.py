"""$graphql over HTTP: what it finds is what REST finds, for the same callers, by few statements."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from graphql import build_client_schema, get_introspection_query, validate_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Row, open_pool
from healix_fhir.operation.graphql import execute
from tests.support.databases import Databases
from tests.support.live_server import LiveServer, live_server
from tests.support.query_recorder import query_recorder
from tests.support.search import Clinic

Json = dict[str, Any]
LOINC = "http://loinc.org"
FORGED = (
    base64.urlsafe_b64encode(msgspec.msgpack.encode(["Patient", 2**63, "_count=" + "9" * 5000])).rstrip(b"=").decode()
)
"""A cursor that this server did not make."""


def patient(id_: str, family: str, **more: Any) -> Json:
    """A patient."""
    return {"resourceType": "Patient", "id": id_, "name": [{"family": family, "given": ["Ada", "May"]}]} | more


def observation(id_: str, whose: str, code: str = "8867-4", **more: Any) -> Json:
    """A measurement."""
    return {
        "resourceType": "Observation", "id": id_, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]}, "subject": {"reference": f"Patient/{whose}"},
        "valueQuantity": {"value": Decimal("1.50"), "unit": "x"},
    } | more  # fmt: skip


STORED: tuple[Json, ...] = (
    {"resourceType": "Organization", "id": "house", "name": "House"},
    {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Doc"}]},
    patient("a", "Byron", generalPractitioner=[{"reference": "Practitioner/d"}], birthDate="1990-05-17",
            managingOrganization={"reference": "Organization/house"}, active=True),
    patient("b", "Hidden", managingOrganization={"reference": "Organization/nowhere"}),
    *(observation(f"a{n}", "a", effectiveDateTime=f"2020-01-{n + 1:02}") for n in range(7)),
    observation("a-other", "a", "29463-7", hasMember=[{"reference": "Observation/a0"}, {"reference": "#in"}],
                contained=[{"resourceType": "Observation", "id": "in", "status": "final", "code": {"text": "inner"}}]),
    observation("b0", "b"),
    observation("ab", "a", "1-8", hasMember=[{"reference": "Observation/b0"}]),
)  # fmt: skip


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two patients."""
    with databases.one() as url:
        with open_pool(url, size=1) as pool:
            Clinic(pool).put(*STORED)
            with pool.connection() as connection:
                while drain(connection, {"resource": [handle]}):
                    pass
        with live_server(url, tmp_path_factory.mktemp("graphql")) as running:
            yield running


@pytest.fixture(scope="module")
def callers(server: LiveServer) -> Iterator[dict[str, httpx.Client]]:
    """Who sees all, the app of the patient a, and one that may read no Observations."""
    with ExitStack() as stack:
        yield {
            "all": stack.enter_context(server.client("system/*.rs")),
            "a": stack.enter_context(server.client("patient/*.rs", patient="a")),
            "narrow": stack.enter_context(server.client("system/Patient.rs")),
        }


def ask(client: httpx.Client, query: str, at: str = "", **more: Any) -> Json:
    """The data of a query."""
    answer = client.post(f"/fhir{at}/$graphql", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    data: Json = answer.json()["data"]
    return data


def refused(client: httpx.Client, query: str, at: str = "", **more: Any) -> tuple[int, str]:
    """Status and message of a query that is refused."""
    answer = client.post(f"/fhir{at}/$graphql", json={"query": query, **more})
    body = answer.json()
    assert body["data"] is None
    (issue,) = body["errors"][0]["extensions"]["resource"]["issue"]
    assert issue["diagnostics"] == body["errors"][0]["message"]
    return answer.status_code, body["errors"][0]["message"]


@pytest.mark.spec("FHIR R4 graphql.html#invoking")
@pytest.mark.parametrize("way", ["get", "json", "fhir json", "graphql", "parameters", "xml", "variables", "named"])
def test_ways_to_call(callers: dict[str, httpx.Client], way: str) -> None:
    """By GET with a query, and by POST of JSON, of the query itself and of Parameters."""
    client, query = callers["all"], "{ birthDate }"
    at = "/fhir/Patient/a/$graphql"
    post = {
        "json": ("application/json", '{"query": "{ birthDate }"}'),
        "fhir json": ("application/fhir+json", '{"query": "{ birthDate }", "variables": null}'),
        "graphql": ("application/graphql", query),
        "parameters": (
            "application/fhir+json",
            '{"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": "{ birthDate }"}]}',
        ),
        "xml": (
            "application/fhir+xml",
            """<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="query"/>
               <valueString value="{ birthDate }"/></parameter></Parameters>""",
        ),
        "variables": (
            "application/json",
            '{"query": "query($i: Boolean!) { birthDate @include(if: $i) id @skip(if: $i) }", "variables":{"i":true}}',
        ),
        "named": (
            "application/json",
            '{"query": "query A { id } query B { birthDate }", "operationName": "B"}',
        ),
    }
    if way == "get":
        answer = client.get(at, params={"query": query})
    else:
        kind, body = post[way]
        answer = client.post(at, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (200, {"data": {"birthDate": "1990-05-17"}})


@pytest.mark.spec("FHIR R4 graphql.html#searching")
def test_resources_and_lists(callers: dict[str, httpx.Client]) -> None:
    """Resources by id, and lists by search parameters, unquoted as FHIR writes them; numbers keep their digits."""
    data = ask(
        callers["all"],
        """{ Patient(id: a) { id active name { family given } }
             first: Patient(id: "b") { id }
             ObservationList(patient: a, code: ["29463-7", "1-8"], _sort: "_id") { id valueQuantity { value } }
             some: ObservationList(_filter: "code eq 8867-4", _sort: "date", _count: 2, _offset: 1) { id }
             none: ObservationList(status: amended) { id }
             odd: ObservationList(subject: "Patient/a", fhirpath: "code.coding.code = '1-8'") { id } }""",
    )
    assert data["Patient"] == {"id": "a", "active": True, "name": [{"family": "Byron", "given": ["Ada", "May"]}]}
    assert data["first"] == {"id": "b"}
    assert [one["id"] for one in data["ObservationList"]] == ["a-other", "ab"]
    assert [one["id"] for one in data["some"]] == ["a1", "a2"]
    assert (data["none"], data["odd"]) == ([], [{"id": "ab"}])
    raw = callers["all"].get("/fhir/$graphql", params={"query": "{Observation(id: b0) {valueQuantity {value}}}"})
    assert raw.text == '{"data":{"Observation":{"valueQuantity":{"value":1.50}}}}'


@pytest.mark.spec("FHIR R4 graphql.html#searching")
def test_connections(callers: dict[str, httpx.Client]) -> None:
    """Pages lead to the next and back; together they hold what the list holds, and each says where it is."""
    fields = "{ count offset pagesize first previous next edges { mode resource { id } } }"
    query = f'{{ ObservationConnection(patient: a, _sort: "_id", _count: 4) {fields} }}'
    pages: list[Json] = [ask(callers["all"], query)["ObservationConnection"]]
    while "next" in pages[-1]:
        more = f'{{ ObservationConnection(_cursor: "{pages[-1]["next"]}") {fields} }}'
        pages.append(ask(callers["all"], more)["ObservationConnection"])
    listed = ask(callers["all"], '{ ObservationList(patient: a, _sort: "_id") { id } }')["ObservationList"]
    assert [edge["resource"] for page in pages for edge in page["edges"]] == listed
    assert [(page["count"], page["offset"], page["pagesize"]) for page in pages] == [(9, 0, 4), (9, 4, 4), (9, 8, 4)]
    back = f'{{ ObservationConnection(cursor: "{pages[1]["previous"]}") {fields} }}'
    assert ask(callers["all"], back)["ObservationConnection"]["edges"] == pages[0]["edges"]


@pytest.mark.spec("FHIR R4 graphql.html#references")
def test_references(callers: dict[str, httpx.Client]) -> None:
    """They are followed into other resources and into contained ones; what is optional or of another type is left."""
    data = ask(
        callers["all"],
        """{ id subject { reference resource { birthDate name { family } } }
             hasMember { reference resource { ... on Observation { status code { text } }
                                              ... on MolecularSequence { type } } }
             x: subject { resource(type: Group) { name { family } } resource(type: Patient) { id } } }""",
        "/Observation/a-other",
    )
    assert data["subject"] == {
        "reference": "Patient/a", "resource": {"birthDate": "1990-05-17", "name": [{"family": "Byron"}]},
    }  # fmt: skip
    inner = [one["resource"] for one in data["hasMember"]]
    assert inner == [{"status": "final", "code": {}}, {"status": "final", "code": {"text": "inner"}}]
    assert data["x"] == {"resource": {"id": "a"}}
    left = ask(callers["all"], "{ id managingOrganization { resource(optional: true) { id } } }", "/Patient/b")
    assert left == {"id": "b", "managingOrganization": {}}
    status, message = refused(callers["all"], "{ id managingOrganization { resource { id } } }", "/Patient/b")
    assert (status, "Organization/nowhere" in message) == (404, True)


@pytest.mark.spec("FHIR R4 graphql.html#reverse")
def test_reverse_references(callers: dict[str, httpx.Client]) -> None:
    """What refers to a resource is found with it, for many resources at once, in lists and connections."""
    data = ask(
        callers["all"],
        """{ PatientList(_sort: "_id") {
               id
               ObservationList(_reference: patient, code: "8867-4", _sort: "-date", _count: 2) { id }
               ObservationConnection(_reference: subject, _count: 1) { count next edges { resource { id } } } } }""",
    )
    found = {one["id"]: one for one in data["PatientList"]}
    assert [one["id"] for one in found["a"]["ObservationList"]] == ["a6", "a5"]
    assert [one["id"] for one in found["b"]["ObservationList"]] == ["b0"]
    assert [found[id_]["ObservationConnection"]["count"] for id_ in ("a", "b")] == [9, 1]
    assert len(found["a"]["ObservationConnection"]["edges"]) == 1
    deep = ask(
        callers["all"],
        """{ Practitioner(id: d) { PatientList(_reference: general_practitioner) { id
               managingOrganization { resource { ... on Organization { name } } } } } }""",
    )
    (one,) = deep["Practitioner"]["PatientList"]
    assert one == {"id": "a", "managingOrganization": {"resource": {"name": "House"}}}


def test_statements_hang_on_the_query(callers: dict[str, httpx.Client]) -> None:
    """The references of many resources, and what refers to them, cost as many statements as those of one."""
    query = """{ ObservationList(%s) { id subject { resource { ... on Patient {
                   name { family } ObservationList(_reference: patient) { id } } } } } }"""
    counts = []
    for found in ("_id: a0", "code: 8867_4, _id: [a0, a1, a2, a3, a4, a5, a6]"):
        with query_recorder() as statements:
            ask(callers["all"], query % found.replace("8867_4", '"8867-4"'))
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_the_first_of_many(callers: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that refers to several resources is too much for a list, the first of each are still found."""
    monkeypatch.setattr(execute, "MOST", 3)
    query = '{ PatientList { id ObservationList(_reference: patient, _sort: "_id"%s) { id } } }'
    found = {one["id"]: one["ObservationList"] for one in ask(callers["all"], query % ", _count: 2")["PatientList"]}
    assert found == {"a": [{"id": "a-other"}, {"id": "a0"}], "b": [{"id": "b0"}]}
    status, message = refused(callers["all"], query % "")
    assert (status, "more than 3" in message) == (413, True)


@pytest.mark.parametrize(
    ("caller", "query", "at"),
    [
        ("a", "{ Patient(id: b) { id } }", ""),
        ("a", "{ Patient(id: missing) { id } }", ""),
        ("a", "{ id }", "/Patient/b"),
        ("a", "{ id }", "/Patient/missing"),
        ("a", "{ hasMember { resource { id } } }", "/Observation/ab"),
    ],
)
def test_what_is_hidden_is_not_there(callers: dict[str, httpx.Client], caller: str, query: str, at: str) -> None:
    """Another patient's resources are answered like missing ones, by name, on the instance and by reference."""
    assert refused(callers[caller], query, at)[0] == 404


def test_lists_hold_what_the_caller_sees(callers: dict[str, httpx.Client], server: LiveServer) -> None:
    """An app of one patient finds that patient's; without a scope there is nothing, and without a token no answer."""
    data = ask(callers["a"], "{ PatientList { id ObservationConnection(_reference: subject) { count } } }")
    assert data["PatientList"] == [{"id": "a", "ObservationConnection": {"count": 9}}]
    status, _ = refused(callers["narrow"], "{ ObservationList { id } }")
    assert status == 403
    assert refused(callers["narrow"], "{ subject { resource { id } } }", "/Observation/a0")[0] == 403
    with server.client() as nobody:
        assert nobody.get("/fhir/$graphql?query={PatientList{id}}").status_code == 401


def test_what_is_shown_and_denied_is_in_the_trail(callers: dict[str, httpx.Client], server: LiveServer) -> None:
    """Each search and read of a query has its rows, by patient, and so has what was denied."""
    with open_pool(server.settings.database_url, size=1) as pool, pool.connection() as connection:
        begun = _last(connection)
        ask(callers["all"], "{ Observation(id: b0) { subject { resource { id } } } PatientList(_id: a) { id } }")
        refused(callers["a"], "{ Patient(id: b) { id } }")
        rows = connection.execute(
            "SELECT subtype, outcome, patient, entity FROM audit_event WHERE seq > %s ORDER BY seq", (begun,)
        ).fetchall()
    assert ("read", 0, "b", "Observation/b0") in rows
    assert ("read", 0, "b", "Patient/b") in rows
    assert ("search-type", 0, "a", "Patient") in rows
    assert ("$graphql", 4, "b", "Patient/b") in rows


def _last(connection: Connection[Row]) -> int:
    row = connection.execute("SELECT coalesce(max(seq), 0) FROM audit_event").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.spec("FHIR R4 graphql.html#errors")
@pytest.mark.parametrize(
    ("query", "at", "told"),
    [
        ("{ id", "", "Syntax Error"),
        ("{ Nothing { id } }", "", "Query has no field 'Nothing'"),
        ("{ Patient(id: a) { nothing } }", "", "Patient has no field 'nothing'"),
        ("{ Patient { id } }", "", "takes an id"),
        ("{ PatientList(nothing: 1) { id } }", "", "takes no argument 'nothing'"),
        ("{ PatientList(_cursor: x) { id } }", "", "takes no argument '_cursor'"),
        ('{ PatientConnection(_cursor: "x") { count } }', "", "no cursor"),
        (f'{{ PatientConnection(_cursor: "{FORGED}") {{ count }} }}', "", "no cursor"),
        ('{ PatientConnection(_cursor: "x", name: y) { count } }', "", "no other argument"),
        ("{ PatientList(birthdate: x) { id } }", "", "birthdate"),
        ("{ Patient(id: a) { ObservationList { id } } }", "", "takes _reference"),
        ("{ Patient(id: a) { ObservationList(_reference: code) { id } } }", "", "refers to no Patient"),
        ("{ Patient(id: a) { ObservationConnection(_reference: subject, _cursor: x) { count } } }", "", "_cursor"),
        ("{ Patient(id: a) { SlotList(_reference: schedule) { id } } }", "", "has no field 'SlotList'"),
        ("{ ObservationList { id } }", "/Patient", "Query has no field 'ObservationList'"),
        ("mutation { PatientCreate { id } }", "", "mutation is not supported"),
        ("query($x: Foo) { Patient(id: $x) { id } }", "", "Foo"),
        ("{ ...F } fragment F on Group { name }", "/Patient/a", "never a Group"),
        ("{ ...F } fragment F on Nothing { name }", "/Patient/a", "no type 'Nothing'"),
        ("{ name @unknown { family } }", "/Patient/a", "@unknown"),
        ("{ id @flatten }", "/Patient/a", "takes no @flatten"),
        (
            "{ contained { ... on Observation { ObservationList(_reference: has_member) { id } } } }",
            "/Observation/a-other",
            "referred to by no other",
        ),
    ],
)
def test_what_is_wrong_is_named(callers: dict[str, httpx.Client], query: str, at: str, told: str) -> None:
    """A query that cannot be answered is refused in GraphQL's form, with what is wrong in it."""
    status, message = refused(callers["all"], query, at)
    assert (status, told in message) == (400, True), message


@pytest.mark.parametrize(
    ("params", "body"),
    [({}, ""), ({"query": "{id}"}, '{"query": "{name {text}}"}'), ({"query": " "}, ""), ({"x": "1"}, "{}"),
     ({}, "[]"), ({}, '{"query": 1}'), ({}, '{"query": "{id}", "variables": []}'), ({}, '{"query": "{id}", "x": 1}'),
     ({"query": "{id}", "variables": "{"}, ""), ({}, '{"query": "{id}", "operationName": "X"}')],
)  # fmt: skip
def test_calls_that_are_none(callers: dict[str, httpx.Client], params: dict[str, str], body: str) -> None:
    """What names no query, or two, is refused with a reason."""
    answer = callers["all"].post(
        "/fhir/Patient/a/$graphql", params=params, content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.spec("FHIR R4 graphql.html#conformance")
def test_the_schema(callers: dict[str, httpx.Client]) -> None:
    """Introspection gives a schema that tools accept, by which queries of every kind are valid."""
    answer = ask(callers["narrow"], get_introspection_query())
    schema = build_client_schema(answer)  # type: ignore[arg-type]
    assert validate_schema(schema) == []
    some = ask(callers["all"], '{ __type(name: "HumanName") { name fields { name } } PatientList { __typename } }')
    assert {"family", "_family", "given"} <= {field["name"] for field in some["__type"]["fields"]}
    assert {one["__typename"] for one in some["PatientList"]} == {"Patient"}
    assert refused(callers["all"], "{ __schema { nothing } }")[0] == 400


CRITERIA = {
    "patient": ("a", "Patient/b", ["a", "b"]),
    "code": ("8867-4", f"{LOINC}|29463-7", ["8867-4", "1-8"], "none"),
    "date": ("2020-01-03", "ge2020-01-02", ["2020-01-01", "lt2020-01-02"]),
    "value_quantity": ("1.5", "gt1"),
    "has_member": ("a0", "Observation/b0"),
    "_id": ("a1", ["a2", "b0", "ab"]),
    "_sort": ("date", "-_id", ["code", "_id"]),
}
"""Arguments, and values of each."""


@pytest.mark.spec("FHIR R4 graphql.html#searching")
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_is_what_rest_finds(callers: dict[str, httpx.Client], data: st.DataObject) -> None:
    """Random criteria find the same resources, in the same order, with the same content, for every caller."""
    names = data.draw(st.lists(st.sampled_from(sorted(CRITERIA)), unique=True, max_size=4))
    chosen = {name: data.draw(st.sampled_from(CRITERIA[name])) for name in names} | {"status": "final"}
    caller = callers[data.draw(st.sampled_from(["all", "a"]))]
    given_ = ", ".join(f"{name}: {json.dumps(value)}" for name, value in chosen.items())
    fields = "{ id status code { coding { system code } } subject { reference } valueQuantity { value } }"
    found = ask(caller, f"{{ ObservationList({given_}) {fields} }}")["ObservationList"]
    params = {
        name if name.startswith("_") else name.replace("_", "-"): value if isinstance(value, str) else ",".join(value)
        for name, value in chosen.items()
    }
    page = caller.get("/fhir/Observation", params=params | {"_count": "100"}).json()
    listed = [entry["resource"] for entry in page.get("entry", ())]
    keys = ("id", "status", "code", "subject")
    assert [{key: one[key] for key in keys} for one in found] == [{key: one[key] for key in keys} for one in listed]
    values = [one["valueQuantity"]["value"] for one in listed]
    assert [one["valueQuantity"]["value"] for one in found] == values
