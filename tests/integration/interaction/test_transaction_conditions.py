"""Searches inside transactions: conditional entries and conditional references, and patches of what they find."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from healix_fhir.interaction.result import Page, Return
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import Category
from healix_fhir.model.json import decode
from tests.support.fhir_server import BASE, SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, organization, patient, practitioner

from .test_transaction import URN, bundle, entry, json_patch, refused, run

MRN = "urn:oid:1.2.36"
NPI = "http://hl7.org/fhir/sid/us-npi"


def person(value: str, **elements: Any) -> dict[str, Any]:
    """A patient with an identifier."""
    return patient(identifier=[{"system": MRN, "value": value}], **elements)


def by(value: str) -> str:
    """The condition on an identifier."""
    return f"identifier={MRN}|{value}"


def statuses(page: Page) -> list[str]:
    """The status codes of a page's entries."""
    return [shown.response.status[:3] for shown in page.entries if shown.response]


def bodies(page: Page) -> list[dict[str, Any]]:
    """The resources of a page's entries."""
    return [decode(shown.body or b"{}") for shown in page.entries]


CREATE = entry("POST", "Patient", person("9"), ifNoneExist=by("9"))


def part_of(own: str, other: str) -> dict[str, Any]:
    """An organization that names another by a search."""
    return organization(identifier=[{"value": own}], partOf={"reference": f"Organization?identifier={other}"})


@pytest.fixture
def clinic(pool: Pool) -> Pool:
    """Patients `one`, `two`, and the twins who share an identifier."""
    for id_, value in (("one", "1"), ("two", "2"), ("twin1", "3"), ("twin2", "3")):
        put(pool, person(value), id_)
    return pool


@pytest.mark.spec("FHIR R4 http.html#trules")
def test_every_conditional_entry(clinic: Pool, database_url: str) -> None:
    """Create, update, patch and delete by condition, found and not found, each linked to by its fullUrl."""
    deactivate = json_patch({"op": "replace", "path": "/active", "value": False})
    sent = bundle(
        entry("POST", "Patient", person("1"), ifNoneExist=by("1"), fullUrl=URN.format(1)),
        entry("POST", "Patient", person("9"), ifNoneExist=f"Patient?{by('9')}", fullUrl=URN.format(2)),
        entry("PUT", f"Patient?{by('8')}", person("8"), fullUrl=URN.format(3)),
        entry("PATCH", f"Patient?{by('2')}", deactivate, ifMatch='W/"1"'),
        entry("DELETE", f"Patient?{by('7')}"),
        *(entry("POST", "Observation", observation(URN.format(n))) for n in (1, 2, 3)),
    )
    page = run(database_url, sent)
    assert statuses(page) == ["200", "201", "201", "200", "204", "201", "201", "201"]
    found, made, updated, patched, _, *observed = bodies(page)
    assert (found["id"], found["meta"]["versionId"]) == ("one", "1")
    assert (patched["id"], patched["active"]) == ("two", False)
    expected = [f"Patient/{one['id']}" for one in (found, made, updated)]
    assert [one["subject"]["reference"] for one in observed] == expected
    again = run(database_url, bundle(entry("PUT", f"Patient?{by('8')}", person("8", active=False))))
    assert (statuses(again), bodies(again)[0]["id"]) == (["200"], updated["id"])
    assert statuses(run(database_url, bundle(entry("DELETE", f"Patient?{by('8')}")))) == ["204"]


@pytest.mark.spec("FHIR R4 http.html#trules")
def test_conditional_references_find_what_is_there_and_what_is_made(clinic: Pool, database_url: str) -> None:
    """A search in place of a reference becomes the address of the one match, before, in or after its entry."""
    put(clinic, practitioner(identifier=[{"system": NPI, "value": "5"}]), "doc")
    doctor = {"reference": f"Practitioner?identifier={NPI}|5"}
    sent = bundle(
        entry("POST", "Observation", observation(f"Patient?{by('6')}", performer=[doctor])),
        entry("POST", "Patient", person("6")),
        entry("POST", "Observation", observation(f"{BASE}/Patient?{by('1')}")),
        entry("POST", "Organization", part_of("a", "b")),
        entry("POST", "Organization", part_of("b", "c")),
        entry("POST", "Organization", organization(identifier=[{"value": "c"}])),
        entry("GET", "Observation?patient=one&_total=accurate"),
    )  # fmt: skip
    page = run(database_url, sent)
    first, made, second, a, b, c, searched = bodies(page)
    assert first["subject"]["reference"] == f"Patient/{made['id']}"
    assert first["performer"] == [{"reference": "Practitioner/doc"}]
    assert second["subject"]["reference"] == "Patient/one"
    assert (a["partOf"]["reference"], b["partOf"]["reference"]) == (
        f"Organization/{b['id']}",
        f"Organization/{c['id']}",
    )
    assert searched["total"] == 1
    assert rows(clinic, "SELECT count(*) FROM resource WHERE version > 1") == [(0,)]


@pytest.mark.spec("FHIR R4 http.html#trules")
@pytest.mark.parametrize(
    ("reference", "told"),
    [(f"Patient?{by('9')}", "matches nothing"), (f"Patient?{by('3')}", "more than one")],
)
def test_a_reference_that_finds_none_or_several_refuses_all(
    clinic: Pool, database_url: str, reference: str, told: str
) -> None:
    """The refusal names the reference and where it stands; what was written before it is taken back."""
    error = refused(
        database_url,
        bundle(entry("POST", "Patient", person("5")), entry("POST", "Observation", observation(reference))),
    )
    assert error.category is Category.PRECONDITION_FAILED
    (issue,) = error.issues
    assert issue.expression == ("Bundle.entry[1].resource.subject.reference",)
    assert reference in issue.message
    assert told in issue.message
    assert rows(clinic, "SELECT count(*) FROM resource") == [(4,)]


@pytest.mark.spec("FHIR R4 http.html#trules")
@pytest.mark.parametrize(
    "entries",
    [
        (entry("PUT", f"Patient?{by('1')}", person("1")), entry("DELETE", "Patient/one")),
        (entry("PUT", f"Patient?{by('1')}", person("1")), entry("PUT", "Patient/one", person("1", id="one"))),
        (entry("DELETE", "Patient/one"), entry("POST", "Patient", person("1"), ifNoneExist=by("1"))),
        (CREATE, CREATE),
        (CREATE, entry("PUT", f"Patient?{by('9')}", person("9"))),
        (entry("PATCH", "Patient/one", json_patch()), entry("DELETE", f"Patient?{by('1')}")),
        (CREATE | {"fullUrl": URN.format(1)}, entry("PATCH", "Patient/one", json_patch(), fullUrl=URN.format(1))),
    ],
)  # fmt: skip
def test_no_resource_is_written_twice(clinic: Pool, database_url: str, entries: tuple[dict[str, Any], ...]) -> None:
    """Identities that overlap, also those that conditions resolve to, refuse the transaction whatever their order."""
    for listed in (entries, entries[::-1]):
        error = refused(database_url, bundle(*listed))
        assert (error.category, error.issues[0].code) == (Category.INVALID, "duplicate")
    assert rows(clinic, "SELECT count(*), max(version) FROM resource") == [(4, 1)]


def test_several_creates_may_find_the_same(clinic: Pool, database_url: str) -> None:
    """What is only looked at may be named more than once."""
    page = run(database_url, bundle(*(entry("POST", "Patient", person("1"), ifNoneExist=by("1")) for _ in range(3))))
    assert (statuses(page), {one["id"] for one in bodies(page)}) == (["200"] * 3, {"one"})


def test_a_fhirpath_patch_may_refer_to_an_entry(clinic: Pool, database_url: str) -> None:
    """References in the Parameters of a patch are those of the transaction."""
    parts: list[dict[str, Any]] = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "managingOrganization"},
        {"name": "value", "valueReference": {"reference": URN.format(1)}},
    ]
    patch = {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": parts}],
    }
    sent = bundle(
        entry("PATCH", "Patient/one", patch), entry("POST", "Organization", organization(), fullUrl=URN.format(1))
    )
    patched, made = bodies(run(database_url, sent))
    assert patched["managingOrganization"] == {"reference": f"Organization/{made['id']}"}


@pytest.mark.parametrize("number", [5, 300])
def test_statements_do_not_grow_with_conditions(clinic: Pool, database_url: str, number: int) -> None:
    """Lock, match, commit (keys and write), references, commit, what was found; and the links' key once."""
    sent = bundle(
        *(entry("POST", "Patient", person(f"new{n}"), ifNoneExist=by(f"new{n}")) for n in range(number)),
        *(entry("POST", "Patient", person("1"), ifNoneExist=by("1")) for _ in range(number)),
        *(entry("POST", "Observation", observation(f"Patient?{by(f'new{n}')}")) for n in range(number)),
    )
    with query_recorder() as recorded:
        run(database_url, sent)
    assert len(recorded) == 9


def test_transactions_that_come_together_make_one(pool: Pool, database_url: str) -> None:
    """Twenty transactions with the same conditional creates, in different orders, over two pools."""
    entries = [entry("POST", "Patient", person(f"{n}"), ifNoneExist=by(f"{n}")) for n in range(5)]

    async def use() -> list[Page]:
        pools = [await open_async_pool(database_url, size=4) for _ in range(2)]
        servers = [Interactions(opened, (BASE,)) for opened in pools]
        try:
            return await asyncio.gather(
                *(servers[n % 2].bundle(SYSTEM, bundle(*(entries[n % 5 :] + entries[: n % 5]))) for n in range(20))
            )
        finally:
            for opened in pools:
                await opened.close()

    pages = asyncio.run(use())
    assert sum(status == "201" for page in pages for status in statuses(page)) == 5
    assert rows(pool, "SELECT count(*) FROM resource") == [(5,)]


def test_searches_inside_a_transaction_stay_within_sight(clinic: Pool, database_url: str) -> None:
    """For an app of one patient another's resource is no match, by condition and by reference."""
    mine = of_patient(clinic, "one")
    put(clinic, observation("Patient/two", identifier=[{"value": "x"}]), "o")
    found = run(database_url, bundle(entry("DELETE", "Observation?identifier=x")), mine)
    assert statuses(found) == ["204"]
    assert rows(clinic, "SELECT version FROM resource WHERE id = 'o'") == [(1,)]
    hidden = refused(database_url, bundle(entry("POST", "Observation", observation(f"Patient?{by('2')}"))), mine)
    absent = refused(database_url, bundle(entry("POST", "Observation", observation(f"Patient?{by('9')}"))), mine)
    assert hidden.category is absent.category is Category.PRECONDITION_FAILED
    assert hidden.message.replace("|2", "|9").replace("%7C2", "%7C9") == absent.message
    blind = refused(database_url, bundle(entry("DELETE", f"Patient?{by('1')}")), with_scope("system/Patient.d"))
    assert blind.category is Category.FORBIDDEN


def test_a_batch_runs_conditional_entries_and_operations(clinic: Pool, database_url: str) -> None:
    """Each by itself; conditions that create the same wait for each other."""
    sent = bundle(
        *(entry("POST", "Patient", person("9"), ifNoneExist=by("9")) for _ in range(8)),
        entry("PUT", f"Patient?{by('3')}", person("3")),
        entry("PATCH", f"Patient?{by('2')}", json_patch({"op": "replace", "path": "/active", "value": False})),
        entry("DELETE", f"Patient?{by('1')}"),
        entry("GET", "Patient/two", ifNoneMatch='W/"2"'),
        entry("GET", "Patient/two", ifModifiedSince="2999-01-01T00:00:00Z"),
        entry("HEAD", "Patient/two"),
        entry("GET", "Patient/two?_elements=id"),
        entry("POST", "Patient/_search?family=Byron&_summary=count"),
        entry("GET", "Patient/one"),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent))
    told = statuses(page)
    assert sorted(told[:8]) == ["200"] * 7 + ["201"]
    assert told[8:] == ["412", "200", "204", "304", "304", "200", "200", "200", "410"]
    assert page.entries[13].body is None
    assert "name" not in decode(page.entries[14].body or b"")
    assert decode(page.entries[15].body or b"")["total"] == 4
    assert page.entries[16].response is not None
    assert page.entries[16].response.etag == 'W/"2"'
    assert len({decode(shown.body or b"")["id"] for shown in page.entries[:8]}) == 1


def test_nothing_waits_for_itself(clinic: Pool, database_url: str) -> None:
    """Two entries that each refer to the other by a search cannot be written: refused, not tried for ever."""
    sent = bundle(entry("POST", "Organization", part_of("a", "b")), entry("POST", "Organization", part_of("b", "a")))
    error = refused(database_url, sent)
    assert error.category is Category.PRECONDITION_FAILED
    assert len(error.issues) == 2


def test_a_large_transaction_computes_aside(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit its own work runs in threads, with the same result."""
    monkeypatch.setattr("healix_fhir.interaction.service.LARGE", 10)
    sent = bundle(
        entry("POST", "Patient", person("1"), fullUrl=URN.format(1)),
        entry("POST", "Observation", observation(URN.format(1))),
        entry("GET", "Patient?family=Byron"),
    )  # fmt: skip
    made, observed, found = bodies(run(database_url, sent))
    assert observed["subject"]["reference"] == f"Patient/{made['id']}"
    assert found["entry"][0]["resource"]["id"] == made["id"]
    error = refused(database_url, bundle(entry("POST", "Patient", person("1")), entry("GET", "Patient/none")))
    assert error.category is Category.NOT_FOUND


def test_an_answer_as_preferred(clinic: Pool, database_url: str) -> None:
    """With return=OperationOutcome each write has an outcome in place of the resource."""
    sent = bundle(
        entry("POST", "Patient", person("9")),
        entry("PUT", "Patient/one", person("1", id="one")),
        entry("DELETE", "Patient/two"),
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent, returns=Return.OUTCOME))
    told = [
        decode(shown.response.outcome or b"")["issue"][0]["diagnostics"] for shown in page.entries if shown.response
    ]
    assert [text.split(" ", 1)[1] for text in told] == ["was created", "was as it should be already", "deleted"]
    assert {shown.body for shown in page.entries} == {None}
