"""History of a resource, a type and the server: what was when, in pages, within what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl

import pytest

from healix_fhir.interaction.result import Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, body, of_patient, rows, serve, with_scope
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, organization, patient

from .test_transaction import bundle, entry

Params = Sequence[tuple[str, str]]
Where = tuple[str | None, str | None]


class Clock:
    """Time that goes on by a second with each write, from 2030 on."""

    def __init__(self) -> None:
        self.second = 0

    def now(self) -> datetime:
        """The next second."""
        self.second += 1
        return datetime.fromisoformat(at(self.second))


def at(second: int) -> str:
    """The instant of a write."""
    return f"2030-01-01T00:{second // 60:02d}:{second % 60:02d}Z"


@pytest.fixture(autouse=True)
def clock_(monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th write happens in the n-th second."""
    monkeypatch.setattr(clock, "now", Clock().now)


async def fill(server: Interactions) -> None:
    """Seconds 1 to 8: p made, o of p made, p changed, o deleted, clinic made, o revived for q, q made, o patched."""
    await server.update(SYSTEM, "Patient", "p", body(patient(), id="p"))
    await server.update(SYSTEM, "Observation", "o", body(observation("Patient/p"), id="o"))
    await server.update(SYSTEM, "Patient", "p", body(patient(), id="p", active=False))
    await server.delete(SYSTEM, "Observation", "o")
    await server.update(SYSTEM, "Organization", "clinic", body(organization(), id="clinic"))
    await server.update(SYSTEM, "Observation", "o", body(observation("Patient/q"), id="o"))
    await server.update(SYSTEM, "Patient", "q", body(patient(), id="q"))
    status = b'[{"op":"replace","path":"/status","value":"amended"}]'
    await server.patch(SYSTEM, "Observation", "o", status, "application/json-patch+json")


ALL = ["o4", "q1", "o3", "clinic1", "o2", "p2", "o1", "p1"]


def names(page: Page) -> list[str]:
    """The id and version of each entry."""
    shown = []
    for one in page.entries:
        assert one.response is not None
        assert one.response.etag is not None
        shown.append((one.full_url or "").rpartition("/")[2] + one.response.etag[3:-1])
    return shown


def history(url: str, where: Where, params: Params = (), access: AccessContext = SYSTEM) -> Page:
    """One page of a history of the filled server."""
    return serve(url, lambda server: server.history(access, *where, params))


def refused(url: str, where: Where, params: Params = (), access: AccessContext = SYSTEM) -> HealixError:
    """How a history is refused."""
    with pytest.raises(HealixError) as error:
        history(url, where, params, access)
    return error.value


@pytest.fixture
def filled(pool: Pool, database_url: str) -> Pool:
    """The server of `fill`."""
    serve(database_url, fill)
    return pool


@pytest.mark.spec("FHIR R4 http.html#history")
@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("Observation", "o"), ["o4", "o3", "o2", "o1"]),
        (("Patient", None), ["q1", "p2", "p1"]),
        (("Observation", None), ["o4", "o3", "o2", "o1"]),
        (("Encounter", None), []),
        ((None, None), ALL),
    ],
)
def test_versions_come_newest_first_with_their_number(
    filled: Pool, database_url: str, where: Where, expected: list[str]
) -> None:
    """Of a resource, of a type, of everything: all versions, deletions among them, and how many they are."""
    page = history(database_url, where)
    assert (page.kind, names(page), page.total) == ("history", expected, len(expected))
    assert page.links == {"self": ""}


@pytest.mark.spec("FHIR R4 http.html#history")
def test_each_entry_tells_what_was_done(filled: Pool, database_url: str) -> None:
    """Method, address, status and, but for a deletion, the resource as it then was."""
    page = history(database_url, ("Observation", "o"))
    shown = [(entry.request, entry.response and entry.response.status, entry.body is None) for entry in page.entries]
    assert shown == [
        (("PATCH", "Observation/o"), "200 OK", False),
        (("PUT", "Observation/o"), "200 OK", False),
        (("DELETE", "Observation/o"), "204 No Content", True),
        (("PUT", "Observation/o"), "201 Created", False),
    ]
    assert {entry.full_url for entry in page.entries} == {f"{BASE}/Observation/o"}
    first = page.entries[-1]
    assert b'"Patient/p"' in (first.body or b"")
    assert b'"versionId":"1"' in (first.body or b"")
    assert first.response is not None
    assert first.response.last_modified == datetime.fromisoformat(at(2))


@pytest.mark.spec("FHIR R4 http.html#history")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([("_since", at(3))], ["o4", "q1", "o3", "clinic1", "o2", "p2"]),
        ([("_since", "2031-01-01T00:00:00Z")], []),
        ([("_before", at(3))], ["o1", "p1"]),
        ([("_since", at(2)), ("_before", at(4))], ["p2", "o1"]),
        ([("_at", at(3))], ["p2", "o1"]),
        ([("_at", at(4))], ["o2", "p2"]),
        ([("_at", "2030-01-01T00:00:05+00:00")], ["clinic1", "o2", "p2"]),
        ([("_at", "2030-01-01T00:00:05 00:00")], ["clinic1", "o2", "p2"]),
        ([("_at", "2030")], ALL),
        ([("_at", "2029")], []),
        ([("_at", "2031")], ["o4", "q1", "clinic1", "p2"]),
        ([("_list", "wards")], ["clinic1", "p2", "p1"]),
        ([("_list", "List/wards"), ("_at", at(1))], ["p1"]),
        ([("_list", "nowhere")], []),
        ([("_count", "0")], []),
        ([("_summary", "count")], []),
    ],
)
def test_a_history_may_be_of_a_time(filled: Pool, database_url: str, params: Params, expected: list[str]) -> None:
    """Made since or before an instant, current at some point of a period, or of the items of a list."""
    if params[0][0] == "_list":
        items = [{"item": {"reference": name}} for name in ("Patient/p", "Organization/clinic", "Patient/none")]
        wards = {"resourceType": "List", "id": "wards", "status": "current", "mode": "working", "entry": items}
        serve(database_url, lambda server: server.update(SYSTEM, "List", "wards", body(wards)))
    page = history(database_url, (None, None), params)
    assert names(page) == expected
    assert page.total == (8 if params[0][0] in ("_count", "_summary") else len(expected))


@pytest.mark.spec("FHIR R4 http.html#paging")
@pytest.mark.parametrize("where", [(None, None), ("Observation", None), ("Observation", "o"), ("Patient", None)])
@pytest.mark.parametrize("access", [SYSTEM, with_scope("system/*.rs system/Patient.cruds")])
def test_pages_stay_while_others_write(filled: Pool, database_url: str, where: Where, access: AccessContext) -> None:
    """Page after page by their links each version comes once, also when newer ones are made between the pages."""
    whole = names(history(database_url, where, access=access))

    async def walk(server: Interactions) -> list[str]:
        seen: list[str] = []
        params: Params = [("_count", "1")]
        for turn in range(20):
            page = await server.history(access, *where, params)
            seen += names(page)
            assert len(page.entries) <= 1
            await server.update(SYSTEM, "Patient", "p", body(patient(), id="p", active=turn % 2 == 0))
            await server.update(SYSTEM, "Observation", "o", body(observation(f"Patient/{turn}"), id="o"))
            if "next" not in page.links:
                return seen
            params = parse_qsl(page.links["next"])
        raise AssertionError("no end")

    assert serve(database_url, walk) == whole


@pytest.mark.parametrize(
    ("where", "params", "category"),
    [
        ((None, None), [("_sort", "_lastUpdated")], Category.UNSUPPORTED),
        ((None, None), [("_list", "$current-problems")], Category.UNSUPPORTED),
        ((None, None), [("_list", "a_b")], Category.INVALID),
        ((None, None), [("_count", "many")], Category.INVALID),
        ((None, None), [("_count", "1"), ("_count", "2")], Category.INVALID),
        ((None, None), [("_since", "yesterday")], Category.INVALID),
        ((None, None), [("_at", "2030-13")], Category.INVALID),
        ((None, None), [("_cursor", "x")], Category.INVALID),
        (("Spaceship", None), [], Category.NOT_FOUND),
        (("Patient", "none"), [], Category.NOT_FOUND),
        (("Patient", "a_b"), [], Category.NOT_FOUND),
    ],
)
def test_what_is_no_history_is_refused(
    filled: Pool, database_url: str, where: Where, params: Params, category: Category
) -> None:
    """A value that cannot be heeded is refused, and what is not there has no history."""
    assert refused(database_url, where, params).category is category


@pytest.mark.spec("FHIR R4 search.html#errors")
@pytest.mark.parametrize("where", [("Patient", "p"), ("Patient", None), (None, None)])
def test_an_unknown_parameter_of_a_history(filled: Pool, database_url: str, where: Where) -> None:
    """It is ignored, which the self link tells, or refused to who asks for strict handling."""
    params = [("_count", "2"), ("family", "x")]
    page = history(database_url, where, params)
    assert page.links["self"] == "_count=2"
    assert names(page) == names(history(database_url, where, [("_count", "2")]))
    with pytest.raises(HealixError, match="'family'"):
        serve(database_url, lambda server: server.history(SYSTEM, *where, params, strict=True))


def test_a_link_holds_for_its_own_history_only(filled: Pool, database_url: str) -> None:
    """A cursor of one history, or of a search, opens no other."""
    link = dict(parse_qsl(history(database_url, ("Patient", None), [("_count", "1")]).links["next"]))
    cursor = ("_cursor", link["_cursor"])
    assert names(history(database_url, ("Patient", None), [("_count", "1"), cursor])) == ["p2"]
    for where, params in (
        (("Observation", None), [("_count", "1"), cursor]),
        ((None, None), [("_count", "1"), cursor]),
        (("Patient", None), [("_count", "2"), cursor]),
    ):
        assert refused(database_url, where, params).category is Category.INVALID

    async def search(server: Interactions) -> str:
        page = await server.search(SYSTEM, "Patient", [("_count", "1")])
        return dict(parse_qsl(page.links["next"]))["_cursor"]

    sealed = serve(database_url, search)
    error = refused(database_url, ("Patient", None), [("_count", "1"), ("_cursor", sealed)])
    assert error.category is Category.INVALID


def test_scopes_open_levels(filled: Pool, database_url: str) -> None:
    """Read opens a resource's history, search that of types and of the server, as far as they are named."""
    reader, searcher = with_scope("system/Patient.r"), with_scope("system/Patient.s system/Organization.s")
    assert names(history(database_url, ("Patient", "p"), access=reader)) == ["p2", "p1"]
    for where, access in (
        (("Patient", None), reader),
        ((None, None), reader),
        (("Patient", "p"), searcher),
        (("Observation", None), searcher),
    ):
        assert refused(database_url, where, access=access).category is Category.FORBIDDEN
    assert names(history(database_url, (None, None), access=searcher)) == ["q1", "clinic1", "p2", "p1"]


def test_a_history_stays_within_the_patients_record(filled: Pool, database_url: str) -> None:
    """Of a resource that moved, each patient's app sees its own part only, while it is in its record."""
    of_q, of_p = of_patient(filled, "q"), of_patient(filled, "p")
    assert names(history(database_url, (None, None), access=of_q)) == ["o4", "q1", "o3", "clinic1"]
    assert names(history(database_url, ("Observation", None), access=of_q)) == ["o4", "o3"]
    assert names(history(database_url, ("Observation", "o"), access=of_q)) == ["o4", "o3"]
    assert names(history(database_url, (None, None), access=of_p)) == ["clinic1", "p2", "p1"]
    assert refused(database_url, ("Observation", "o"), access=of_p).category is Category.NOT_FOUND
    for access, total in ((of_q, 2), (of_p, 0)):
        assert history(database_url, ("Observation", None), access=access).total == total


def test_a_history_costs_a_fixed_number_of_statements_and_is_on_record(filled: Pool, database_url: str) -> None:
    """Two for types and the server, three for a resource; an audit row tells who looked at what."""

    async def use(server: Interactions) -> list[int]:
        await server.history(SYSTEM, None, None, [])
        costs = []
        levels: list[Where] = [(None, None), ("Patient", None), ("Patient", "p")]
        for type_name, id_ in levels:
            with query_recorder() as recorded:
                await server.history(SYSTEM, type_name, id_, [("_count", "5")])
            costs.append(len(recorded))
        return costs

    assert serve(database_url, use) == [2, 2, 3]
    audit = rows(
        filled,
        """SELECT action, subtype, patient, entity, query FROM audit_event
           WHERE seq > (SELECT max(seq) FROM audit_event WHERE query = '') ORDER BY subtype, patient""",
    )
    for told in (
        ("R", "history-instance", "p", "Patient/p", None),
        ("R", "history-type", "p", "Patient", "_count=5"),
        ("R", "history-system", "q", None, "_count=5"),
    ):
        assert audit.count(told) == 1
    assert len(set(audit)) == len(audit)
    history(database_url, (None, None), access=of_patient(filled, "p", "patient/Patient.rs"))
    assert rows(filled, "SELECT patient FROM audit_event ORDER BY seq DESC LIMIT 1") == [("p",)]


def test_totals_end_somewhere(filled: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit nothing is counted, and no total given."""
    monkeypatch.setattr("healix_fhir.store.history.COUNTED", 7)
    assert history(database_url, (None, None)).total is None
    assert history(database_url, ("Observation", None)).total == 4


def test_a_bundle_reads_histories_compartments_and_everything(filled: Pool, database_url: str) -> None:
    """GET entries reach every level of history and of search."""
    urls = (
        "_history?_count=3",
        "Patient/_history",
        "Patient/p/_history?_at=2031",
        "Patient/q/Observation",
        "?_type=Organization",
    )
    for kind in ("batch", "transaction"):
        sent = bundle(*(entry("GET", url) for url in urls), kind=kind)
        page = serve(database_url, lambda server, sent=sent: server.bundle(SYSTEM, sent))  # type: ignore[misc]
        found = [decode(shown.body or b"") for shown in page.entries]
        assert [len(one.get("entry", ())) for one in found] == [3, 3, 1, 1, 1]
        assert [one["type"] for one in found] == ["history"] * 3 + ["searchset"] * 2
        assert found[0]["link"][0]["url"] == f"{BASE}/_history?_count=3"
