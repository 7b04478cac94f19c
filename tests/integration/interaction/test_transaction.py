"""Transactions: all or nothing, linked entries, a fixed number of statements, and everything back as it was sent."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from healix_fhir.interaction.result import Page, Return
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from tests.support.fhir_server import BASE, SYSTEM, Pool, of_patient, put, rows, serve
from tests.support.query_recorder import query_recorder
from tests.support.resources import encounter, observation, patient, synthea_bundles, transaction

URN = "urn:uuid:00000000-0000-4000-8000-{:012d}"


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One entry; `more` goes into its request, `fullUrl` beside it."""
    full_url = more.pop("fullUrl", None)
    shown: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    if resource is not None:
        shown["resource"] = resource
    return shown | ({"fullUrl": full_url} if full_url else {})


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> bytes:
    """A Bundle of entries."""
    return encode({"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def json_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """A JSON Patch as an entry carries it."""
    data = base64.b64encode(encode(list(operations))).decode()
    return {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}


def run(url: str, sent: bytes, access: Any = SYSTEM) -> Page:
    """Run a bundle."""
    return serve(url, lambda server: server.bundle(access, sent))


def refused(url: str, sent: bytes, access: Any = SYSTEM) -> HealixError:
    """How a bundle is refused."""
    with pytest.raises(HealixError) as error:
        run(url, sent, access)
    return error.value


@pytest.mark.spec("FHIR R4 http.html#trules")
def test_references_between_entries_are_rewritten(database_url: str) -> None:
    """An entry is referred to by its fullUrl, before and after it in the bundle."""
    sent = transaction(
        observation(URN.format(1), encounter={"reference": URN.format(2)}), patient(), encounter(URN.format(1))
    )
    page = run(database_url, encode(sent))
    observed, person, visit = (decode(shown.body or b"") for shown in page.entries)
    assert observed["subject"] == {"reference": f"Patient/{person['id']}"}
    assert observed["encounter"] == {"reference": f"Encounter/{visit['id']}"}
    first = page.entries[0]
    assert first.response is not None
    assert (first.response.status, first.response.etag) == ("201 Created", 'W/"1"')
    assert first.response.location == f"{BASE}/Observation/{observed['id']}/_history/1"


def test_relative_references_follow_a_restful_full_url(database_url: str) -> None:
    """`Patient/1` in an entry of http://other/fhir is the entry with the fullUrl http://other/fhir/Patient/1."""
    sent = bundle(
        entry("POST", "Patient", patient(), fullUrl="http://other/fhir/Patient/1"),
        entry("POST", "Observation", observation("Patient/1"), fullUrl="http://other/fhir/Observation/1"),
        entry("POST", "Observation", observation("Patient/1"), fullUrl="http://another/fhir/Observation/1"),
        entry("POST", "Observation", observation("http://other/fhir/Patient/1")),
    )
    person, *observed = (decode(shown.body or b"") for shown in run(database_url, sent).entries)
    mine = f"Patient/{person['id']}"
    assert [one["subject"]["reference"] for one in observed] == [mine, "Patient/1", mine]


def test_every_method_in_one_transaction(pool: Pool, database_url: str) -> None:
    """Deletes, creates, updates and reads are answered in the order of the bundle; reads see what was written."""
    put(pool, patient(), "old")
    sent = bundle(
        entry("GET", "Patient/new"),
        entry("GET", "Patient?family=Byron&_count=5"),
        entry("PUT", "Patient/new", body_of("new")),
        entry("DELETE", "Patient/old", ifMatch='W/"1"'),
        entry("DELETE", "Patient/none"),
        entry("POST", "Encounter", encounter("Patient/new")),
        entry("GET", "Patient/new/_history"),
        entry("GET", "Patient/new/_history/1"),
    )
    page = run(database_url, sent)
    assert page.kind == "transaction-response"
    statuses = [shown.response.status[:3] for shown in page.entries if shown.response]
    assert statuses == ["200", "200", "201", "204", "204", "201", "200", "200"]
    assert page.entries[0].body == page.entries[2].body == page.entries[7].body
    found = decode(page.entries[1].body or b"")
    assert (found["type"], [hit["resource"]["id"] for hit in found["entry"]]) == ("searchset", ["new"])
    assert decode(page.entries[6].body or b"")["type"] == "history"


def body_of(id_: str) -> dict[str, Any]:
    """A patient with an id."""
    return patient(id=id_)


@pytest.mark.parametrize("number", [2, 200])
def test_statements_do_not_grow_with_the_entries(pool: Pool, database_url: str, number: int) -> None:
    """Whatever the number of entries: keys of patients, lock, clear, write, reads; and the links' key once."""
    amended = observation("Patient/p", status="amended")
    for n in range(number):
        put(pool, observation("Patient/p"), f"o{n}")
        put(pool, observation("Patient/p"), f"d{n}")
    sent = bundle(
        *(entry("PUT", f"Observation/o{n}", amended | {"id": f"o{n}"}) for n in range(number)),
        *(entry("DELETE", f"Observation/d{n}") for n in range(number)),
        *(entry("POST", "Observation", observation("Patient/p")) for _ in range(number)),
        *(entry("GET", f"Observation/o{n}") for n in range(number)),
    )  # fmt: skip
    with query_recorder() as recorded:
        run(database_url, sent)
    assert len(recorded) == 6


def test_a_patients_transaction_costs_one_statement_more(pool: Pool, database_url: str) -> None:
    """The check of the compartments is one statement for all entries."""
    put(pool, patient(), "p")
    bound = of_patient(pool, "p")
    sent = bundle(*(entry("POST", "Observation", observation("Patient/p")) for _ in range(40)))
    with query_recorder() as recorded:
        run(database_url, sent, bound)
    assert len(recorded) == 4


@pytest.mark.parametrize(
    ("bad", "category", "place"),
    [
        (entry("POST", "Patient", {"resourceType": "Patient", "active": 1}), Category.INVALID, "resource.active"),
        (entry("POST", "Patient", observation()), Category.INVALID, "resource"),
        (entry("POST", "Patient"), Category.INVALID, ""),
        (entry("PUT", "Patient/x", patient()), Category.INVALID, "resource.id"),
        (entry("PUT", "Patient/taken", patient(id="taken"), ifMatch='W/"5"'), Category.PRECONDITION_FAILED, ""),
        (entry("PUT", "Patient/a_b", patient(id="a_b")), Category.INVALID, "request.url"),
        (entry("PUT", "Patient?nonsense=x", patient()), Category.INVALID, ""),
        (entry("PUT", "Patient?_id=taken", patient(id="other")), Category.INVALID, "resource.id"),
        (entry("PUT", "Patient/taken", patient(id="taken"), ifNoneMatch="*"), Category.PRECONDITION_FAILED, ""),
        (entry("PUT", "Patient/taken", patient(id="taken"), ifNoneMatch='W/"1"'), Category.UNSUPPORTED, ""),
        (entry("DELETE", "Patient?_count=1"), Category.INVALID, ""),
        (entry("DELETE", "Patient?active=true&_id=taken", ifMatch='W/"2"'), Category.PRECONDITION_FAILED, ""),
        (entry("DELETE", "Patient"), Category.INVALID, "request.url"),
        (entry("POST", "Patient", patient(), ifNoneExist="?"), Category.INVALID, ""),
        (entry("POST", "Patient", patient(), ifMatch='W/"1"'), Category.INVALID, "request.ifMatch"),
        (entry("GET", "Patient/taken", ifNoneExist="family=x"), Category.INVALID, "request.ifNoneExist"),
        (entry("PUT", "Patient/taken", patient(id="taken"), ifMatch="x"), Category.INVALID, "request.ifMatch"),
        (entry("PATCH", "Patient/taken", patient()), Category.INVALID, "resource"),
        (entry("PATCH", "Patient/taken", json_patch({"op": "remove", "path": "/x"})), Category.UNPROCESSABLE, ""),
        (entry("PATCH", "Patient/none", json_patch({"op": "remove", "path": "/x"})), Category.NOT_FOUND, ""),
        (
            entry("PATCH", "Patient/taken", {"resourceType": "Binary", "contentType": "text/plain"}),
            Category.UNSUPPORTED_MEDIA,
            "",
        ),
        (entry("GET", "Patient/taken/x/y/z"), Category.INVALID, "request.url"),
        (entry("GET", "metadata"), Category.INVALID, "request.url"),
        (entry("POST", "Patient/$match", patient()), Category.UNSUPPORTED, ""),
        (entry("POST", "Spaceship", {"resourceType": "Spaceship"}), Category.NOT_FOUND, ""),
        (entry("GET", "Patient/none"), Category.NOT_FOUND, ""),
        (entry("GET", "http://elsewhere/Patient/1"), Category.INVALID, "request.url"),
        (
            entry("POST", "Observation", observation("Patient?identifier=x")),
            Category.PRECONDITION_FAILED,
            "resource.subject.reference",
        ),
        (
            entry("POST", "Observation", observation("Patient?nonsense=x")),
            Category.INVALID,
            "resource.subject.reference",
        ),
        (entry("POST", "Observation", observation("Spaceship?x=y")), Category.INVALID, "resource.subject.reference"),
        (entry("POST", "Observation", observation(URN.format(7))), Category.INVALID, "resource.subject.reference"),
        ({"resource": patient()}, Category.INVALID, ""),
    ],
)
def test_one_bad_entry_refuses_all(
    pool: Pool, database_url: str, bad: dict[str, Any], category: Category, place: str
) -> None:
    """The refusal names the entry and its place; nothing of the transaction stays: no row, audit or event."""
    put(pool, patient(), "taken")
    tables = ("resource", "resource_history", "index_string", "audit_event", "outbox")
    before = [rows(pool, f"SELECT count(*) FROM {table}") for table in tables]
    error = refused(database_url, bundle(entry("POST", "Patient", patient()), bad))
    assert error.category is category
    expected = f"Bundle.entry[1].{place}".rstrip(".")
    assert [issue.expression[0] for issue in error.issues] == [expected]
    assert [rows(pool, f"SELECT count(*) FROM {table}") for table in tables] == before


def test_the_issues_of_all_entries_are_reported(database_url: str) -> None:
    """Two invalid entries are both named."""
    wrong = {"resourceType": "Patient", "active": 1}
    error = refused(database_url, bundle(entry("POST", "Patient", wrong), entry("POST", "Patient", wrong)))
    places = [issue.expression[0] for issue in error.issues]
    assert places == ["Bundle.entry[0].resource.active", "Bundle.entry[1].resource.active"]


@pytest.mark.parametrize(
    "entries",
    [
        (entry("PUT", "Patient/p", patient(id="p")), entry("DELETE", "Patient/p")),
        (entry("PUT", "Patient/p", patient(id="p")), entry("PUT", "Patient/p", patient(id="p", active=False))),
        (entry("POST", "Patient", patient(), fullUrl=URN.format(1)),
         entry("POST", "Patient", patient(), fullUrl=URN.format(1))),
    ],
)  # fmt: skip
@pytest.mark.spec("FHIR R4 http.html#trules")
def test_the_same_resource_twice_is_refused(database_url: str, entries: tuple[dict[str, Any], ...]) -> None:
    """No resource may be named by two writes of a transaction, no fullUrl by two entries."""
    error = refused(database_url, bundle(*entries))
    assert (error.category, error.issues[0].expression) == (Category.INVALID, ("Bundle.entry[1]",))


@pytest.mark.parametrize("sent", [
    bundle(kind="document"), b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle"}', b"nothing",
    b'{"resourceType":"Bundle","type":"batch","entry":{}}', b'{"resourceType":"Bundle","type":"batch","entry":[1]}',
    bundle({"resource": patient()}),
])  # fmt: skip
def test_what_is_no_batch_or_transaction_is_refused(database_url: str, sent: bytes) -> None:
    """A bundle of another type, another resource or no JSON is Invalid as a whole."""
    assert refused(database_url, sent).category is Category.INVALID


def test_an_app_of_one_patient_cannot_write_for_another(pool: Pool, database_url: str) -> None:
    """One entry outside the token's record refuses the transaction."""
    put(pool, patient(), "p")
    bound = of_patient(pool, "p")
    sent = bundle(
        entry("POST", "Observation", observation("Patient/p")), entry("POST", "Observation", observation("Patient/q"))
    )
    error = refused(database_url, sent, bound)
    assert (error.category, error.issues[0].expression) == (Category.FORBIDDEN, ("Bundle.entry[1]",))
    assert rows(pool, "SELECT count(*) FROM resource") == [(1,)]


def test_without_representation_answers_carry_no_writes(database_url: str) -> None:
    """`Prefer: return=minimal` leaves the resources out and keeps the rest."""
    sent = encode(transaction(patient()))
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent, returns=Return.MINIMAL))
    assert page.entries[0].body is None
    assert page.entries[0].response is not None


def test_synthea_bundles_read_back_as_they_were_sent(database_url: str) -> None:
    """Every resource of the Synthea bundles is byte-equal but for id, meta and rewritten references."""
    lines = synthea_bundles()

    async def use(server: Interactions) -> int:
        compared = 0
        for line in lines:
            sent = decode(line)
            page = await server.bundle(SYSTEM, line, returns=Return.MINIMAL)
            assert len(page.entries) == len(sent["entry"])
            given = {
                one["fullUrl"]: (answer.full_url or "").removeprefix(f"{BASE}/")
                for one, answer in zip(sent["entry"], page.entries, strict=True)
            }
            for one, answer in zip(sent["entry"], page.entries, strict=True):
                type_name, id_ = (answer.full_url or "").split("/")[-2:]
                stored = await server.read(SYSTEM, type_name, id_)
                assert plain(stored.body) == plain(expected(one["resource"], given))
                compared += 1
        return compared

    assert serve(database_url, use) == 8367


def expected(resource: dict[str, Any], given: dict[str, str]) -> bytes:
    """The resource as sent, with the fullUrls in it replaced by the addresses that the server gave."""
    text = encode(resource).decode()
    return re.sub(r"urn:uuid:[0-9a-f-]{36}", lambda match: given.get(match[0], match[0]), text).encode()


def plain(text: bytes) -> bytes:
    """A resource's bytes without id and meta."""
    resource = decode(text)
    resource.pop("id")
    resource.pop("meta", None)
    return encode(resource)
