"""Batches: every entry by itself."""

from __future__ import annotations

from healix_fhir.interaction.result import Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import decode, encode
from tests.support.fhir_server import SYSTEM, Pool, put, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, patient

from .test_transaction import bundle, entry, json_patch


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


def test_many_entries_are_few_statements(pool: Pool, database_url: str) -> None:
    """Fifty creates and fifty reads of a batch are one group each."""
    put(pool, observation("Patient/p"), "o")
    creates = [entry("POST", "Observation", observation("Patient/p")) for _ in range(50)]
    reads = [entry("GET", "Observation/o") for _ in range(50)]

    async def use(server: Interactions) -> int:
        await server.bundle(SYSTEM, encode(decode(bundle(*creates[:1], kind="batch"))))
        with query_recorder() as recorded:
            await server.bundle(SYSTEM, bundle(*creates, *reads, kind="batch"))
        return len(recorded)

    assert serve(database_url, use) == 2
