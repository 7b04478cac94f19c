"""Batches: every entry by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg.errors import NumericValueOutOfRange

from healix_fhir.interaction import writing
from healix_fhir.interaction.result import Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import decode, encode
from tests.support.fhir_server import SYSTEM, Pool, put, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import encounter, observation, patient

from .test_transaction import URN, bundle, entry, json_patch


def statuses(page: Page) -> list[str]:
    """The status codes of a page's entries."""
    return [shown.response.status[:3] for shown in page.entries if shown.response]


def test_each_entry_has_its_own_outcome(pool: Pool, database_url: str) -> None:
    """Bad entries are refused with an OperationOutcome that names them, the others are carried out."""
    put(pool, patient(), "p")
    sent = bundle(
        entry("POST", "Patient", {"resourceType": "Patient", "active": 1}),
        entry("POST", "Patient", patient()),
        entry("GET", "Patient/p"),
        entry("GET", "Patient/none"),
        entry("PUT", "Patient/p", patient(id="p", active=False), ifMatch='W/"9"'),
        entry("PATCH", "Patient/p", json_patch({"op": "remove", "path": "/nonsense"})),
        entry("POST", "Spaceship", {"resourceType": "Spaceship"}),
        entry("GET", "Patient?family=Byron"),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent))
    assert page.kind == "batch-response"
    assert statuses(page) == ["400", "201", "200", "404", "412", "422", "404", "200"]
    first = page.entries[0].response
    assert first is not None
    outcome = decode(first.outcome or b"")
    assert outcome["issue"][0]["expression"] == ["Bundle.entry[0].resource.active"]


@pytest.mark.spec("FHIR R4 http.html#brules")
def test_entries_do_not_refer_to_each_other(pool: Pool, database_url: str) -> None:
    """Such a reference would lead nowhere: the entry is refused with its place, the others are made."""
    sent = bundle(
        entry("POST", "Observation", observation(URN.format(1))),
        entry("POST", "Patient", patient(), fullUrl=URN.format(1)),
        entry("POST", "Observation", observation("Patient/x"), fullUrl=URN.format(2)),
        entry("POST", "$fhirpath", observation(URN.format(1))),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent))
    assert statuses(page)[:3] == ["400", "201", "201"]
    refused = page.entries[0].response
    assert refused is not None
    (issue,) = decode(refused.outcome or b"")["issue"]
    assert issue["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    assert "only those of a transaction" in issue["diagnostics"]


def test_an_entry_without_a_request_is_told_so(database_url: str) -> None:
    """What is missing is named, not what is left without the resource."""
    sent = bundle(entry("GET", "Patient/p"), {"resource": patient()}, kind="batch")
    with pytest.raises(HealixError, match=r"Bundle.entry\[1\]: the entry has no request"):
        serve(database_url, lambda server: server.bundle(SYSTEM, sent))


def test_entries_run_by_method_not_by_place(pool: Pool, database_url: str) -> None:
    """Deletes come first and reads last, wherever they stand."""
    put(pool, patient(), "p")
    sent = bundle(
        entry("GET", "Patient/p"),
        entry("PUT", "Patient/p", patient(id="p", active=False)),
        entry("DELETE", "Patient/p"),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent))
    assert statuses(page) == ["200", "201", "204"]
    assert decode(page.entries[0].body or b"")["meta"]["versionId"] == "3"


def test_each_entry_needs_its_permission(pool: Pool, database_url: str) -> None:
    """A token that may only read gets its reads and is refused its writes, valid or not."""
    put(pool, patient(), "p")
    reader = with_scope("system/Patient.r")
    sent = bundle(
        entry("GET", "Patient/p"), entry("POST", "Patient", patient()), entry("DELETE", "Patient/p"),
        entry("GET", "Patient"), entry("POST", "Patient", {"resourceType": "Patient", "active": 1}), kind="batch",
    )  # fmt: skip
    page = serve(database_url, lambda server: server.bundle(reader, sent))
    assert statuses(page) == ["200", "403", "403", "403", "403"]
    assert rows(pool, "SELECT count(*) FROM resource WHERE version = 1") == [(1,)]


def by_number(n: int) -> str:
    """A condition that one patient meets."""
    return f"identifier=urn:n|{n}"


def numbered(n: int, **elements: Any) -> dict[str, Any]:
    """The patient that meets it."""
    return patient(identifier=[{"system": "urn:n", "value": str(n)}], **elements)


@pytest.mark.parametrize("number", [1, 30])
def test_conditional_entries_are_few_statements(pool: Pool, database_url: str, number: int) -> None:
    """Whatever their number up to a group: of each method's turn the locks, the matches, and what the changes take."""
    for n in range(4 * number):
        put(pool, numbered(n), f"p{n}")
    sent = bundle(
        *(entry("POST", "Patient", numbered(n), ifNoneExist=by_number(n)) for n in range(number)),
        *(entry("POST", "Patient", numbered(n), ifNoneExist=by_number(n)) for n in range(1000, 1000 + number)),
        *(entry("PUT", f"Patient?{by_number(n)}", numbered(n, active=False)) for n in range(number)),
        *(
            entry("PATCH", f"Patient?{by_number(n)}", json_patch({"op": "remove", "path": "/active"}))
            for n in range(number, 2 * number)
        ),
        *(entry("DELETE", f"Patient?{by_number(n)}") for n in range(2 * number, 3 * number)),
        kind="batch",
    )

    async def use(server: Interactions) -> tuple[Page, int]:
        with query_recorder() as recorded:
            page = await server.bundle(SYSTEM, sent)
        return page, len(recorded)

    page, statements = serve(database_url, use)
    expected = [("200", number), ("201", number), ("200", number), ("200", number), ("204", number)]
    assert statuses(page) == [status for status, times in expected for _ in range(times)]
    assert statements <= 26


def test_batches_and_transactions_that_come_together_make_one_of_each(pool: Pool, database_url: str) -> None:
    """Groups with locks of their own and transactions that lock whole groups hold each other back, and all end."""
    made = [entry("POST", "Patient", numbered(n), ifNoneExist=by_number(n)) for n in range(70)]
    sent = [
        bundle(*made[:30], kind="batch"), bundle(*made[29::-1], kind="batch"), bundle(*made),
        bundle(*made[10:40], kind="batch"), bundle(*made[::-1], kind="batch"),
    ]  # fmt: skip

    async def use(server: Interactions) -> list[Page]:
        return await asyncio.gather(*(server.bundle(SYSTEM, one) for one in sent))

    pages = serve(database_url, use)
    assert {status for page in pages for status in statuses(page)} == {"200", "201"}
    assert sum(status == "201" for page in pages for status in statuses(page)) == 70
    assert rows(pool, "SELECT count(*) FROM resource") == [(70,)]


def test_conditional_entries_of_one_resource_follow_each_other(pool: Pool, database_url: str) -> None:
    """Under one condition, or by two of the same resource, none is lost and none is made twice."""
    put(pool, numbered(1), "p")
    both = ["identifier=urn:n|1", "_id=p"]
    sent = bundle(
        *(entry("POST", "Patient", numbered(2), ifNoneExist=by_number(2)) for _ in range(5)),
        *(
            entry("PATCH", f"Patient?{where}", json_patch({"op": "add", "path": "/name/-", "value": {"text": where}}))
            for where in both
        ),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(SYSTEM, sent))
    assert sorted(statuses(page)[:5]) == ["200"] * 4 + ["201"]
    assert statuses(page)[5:] == ["200", "200"]
    ((body,),) = rows(pool, "SELECT body FROM resource WHERE id = 'p'")
    assert [name.get("text") for name in decode(bytes(body))["name"][1:]] == both
    assert rows(pool, "SELECT count(*) FROM resource") == [(2,)]


def test_each_conditional_entry_has_its_own_outcome(pool: Pool, database_url: str) -> None:
    """What cannot be is refused with its place; the others of its group are made."""
    for n, id_ in ((1, "a"), (2, "b"), (2, "c")):
        put(pool, numbered(n), id_)
    bad = {"resourceType": "Patient", "active": 1}
    sent = bundle(
        entry("POST", "Patient", numbered(3), ifNoneExist=by_number(3)),
        entry("POST", "Patient", bad, ifNoneExist=by_number(4)),
        entry("POST", "Patient", numbered(2), ifNoneExist=by_number(2)),
        entry("POST", "Patient", numbered(5), ifNoneExist="_count=1"),
        entry("POST", "Encounter", encounter("Patient/a"), ifNoneExist="identifier=x"),
        entry("PUT", f"Patient?{by_number(1)}", numbered(1, active=False), ifMatch='W/"7"'),
        entry("PATCH", f"Patient?{by_number(9)}", json_patch({"op": "remove", "path": "/active"})),
        entry("DELETE", f"Patient?{by_number(2)}"),
        entry("DELETE", f"Patient?{by_number(9)}"),
        kind="batch",
    )
    page = serve(database_url, lambda server: server.bundle(with_scope("system/Patient.cruds"), sent))
    assert statuses(page) == ["201", "400", "412", "400", "403", "412", "404", "412", "204"]
    refused = page.entries[1].response
    assert refused is not None
    assert decode(refused.outcome or b"")["issue"][0]["expression"] == ["Bundle.entry[1].resource.active"]


def test_several_deleted_by_one_entry(pool: Pool, database_url: str) -> None:
    """Where the server deletes several, an entry of a batch does too."""
    for id_ in "ab":
        put(pool, numbered(2), id_)
    sent = bundle(entry("DELETE", f"Patient?{by_number(2)}"), kind="batch")

    async def use(server: Interactions) -> Page:
        server.writing.delete_several = True
        return await server.bundle(SYSTEM, sent)

    assert statuses(serve(database_url, use)) == ["204"]
    assert rows(pool, "SELECT count(*) FROM resource WHERE deleted") == [(2,)]


def test_a_group_that_the_database_refuses_is_tried_one_by_one(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody suffers from another's entry."""

    def refusing(*_: object) -> object:
        raise NumericValueOutOfRange

    monkeypatch.setattr(writing, "conditional_each", refusing)
    sent = bundle(
        *(entry("POST", "Patient", numbered(n), ifNoneExist=by_number(n)) for n in range(3)),
        kind="batch",
    )
    assert statuses(serve(database_url, lambda server: server.bundle(SYSTEM, sent))) == ["201"] * 3


def test_many_entries_are_few_statements(pool: Pool, database_url: str) -> None:
    """Fifty creates of a batch are three groups, of which two leave within the tick; fifty reads are one."""
    put(pool, observation("Patient/p"), "o")
    creates = [entry("POST", "Observation", observation("Patient/p")) for _ in range(50)]
    reads = [entry("GET", "Observation/o") for _ in range(50)]

    async def use(server: Interactions) -> int:
        await server.bundle(SYSTEM, encode(decode(bundle(*creates[:1], kind="batch"))))
        with query_recorder() as recorded:
            await server.bundle(SYSTEM, bundle(*creates, *reads, kind="batch"))
        return len(recorded)

    assert serve(database_url, use) == 4
