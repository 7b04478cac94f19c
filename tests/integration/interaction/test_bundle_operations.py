"""Operations as entries of batches and transactions."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction import bundle as bundles
from healix_fhir.interaction.result import Page
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.operation.entry import run_entry
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, rows, serve, with_scope
from tests.support.resources import patient

from .test_transaction import bundle, entry

BAD = {"resourceType": "Patient", "active": "yes"}
NAMES = [{"name": "expression", "valueString": "Patient.name.family"}, {"name": "resource", "resource": patient()}]
EXPRESSION = {"resourceType": "Parameters", "parameter": NAMES}


def run(url: str, *entries: dict[str, Any], kind: str, access: AccessContext = SYSTEM) -> Page:
    """Run a bundle whose entries may call operations."""
    return serve(url, lambda server: server.bundle(access, bundle(*entries, kind=kind), call=run_entry))


def severities(page: Page, number: int) -> set[str]:
    """Those of the issues that an entry's $validate found."""
    return {issue["severity"] for issue in decode(page.entries[number].body or b"")["issue"]}


@pytest.mark.spec("FHIR R4 http.html#transaction")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_operations_that_tell_nothing_of_stored_resources(pool: Pool, database_url: str, kind: str) -> None:
    """$validate of a resource and $fhirpath answer in both, what they find is no failure, and the rest is written."""
    page = run(
        database_url,
        entry("POST", "Patient/$validate", patient()),
        entry("POST", "Patient/$validate", BAD),
        entry("POST", "$fhirpath", EXPRESSION),
        entry("POST", "Patient", patient()),
        kind=kind,
    )
    assert page.kind == f"{kind}-response"
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["200", "200", "200", "201"]
    assert ("error" in severities(page, 0), "error" in severities(page, 1)) == (False, True)
    assert decode(page.entries[2].body or b"")["parameter"] == [{"name": "result", "valueString": "Byron"}]
    assert rows(pool, "SELECT count(*) FROM resource") == [(1,)]


@pytest.mark.spec("FHIR R4 http.html#capabilities")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_the_capabilities_are_an_entry_like_others(database_url: str, kind: str) -> None:
    """Whole or in part, also for HEAD."""
    asked = [entry("GET", "metadata"), entry("GET", "metadata?_elements=fhirVersion"), entry("HEAD", "metadata")]
    whole, part, none = run(database_url, *asked, kind=kind).entries
    statement = decode(whole.body or b"")
    assert (statement["resourceType"], "rest" in statement) == ("CapabilityStatement", True)
    assert "rest" not in decode(part.body or b"")
    assert none.body is None


def test_a_batch_validates_what_is_stored(pool: Pool, database_url: str) -> None:
    """$validate on an instance, by GET too; what the caller may not see is not there."""
    put(pool, patient(), "p")
    entries = [entry("GET", "Patient/p/$validate"), entry("GET", "Patient/none/$validate")]
    page = run(database_url, *entries, kind="batch")
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["200", "404"]
    stranger = of_patient(pool, "q")
    page = run(database_url, *entries, kind="batch", access=stranger)
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["404", "404"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (entry("GET", "Patient/p/$validate"), "$validate on the instance level"),
        (entry("POST", "Patient/p/$validate", patient(id="p")), "$validate on the instance level"),
        (entry("POST", "$reindex"), "$reindex is not supported in a transaction"),
        (entry("GET", "Patient/p/$everything"), "$everything is not supported in a transaction"),
        (entry("POST", "$fhirpath", {"resourceType": "Parameters"}), "needs the parameter 'expression'"),
        (entry("GET", "$fhirpath"), "is not called by GET"),
        (entry("GET", "Patient/p/x/$validate"), "is not called by"),
        (entry("POST", "metadata", patient()), "metadata is not for POST"),
        (entry("GET", "metadata?mode=short"), "mode short is not supported"),
    ],
)
def test_what_cannot_run_in_a_transaction_refuses_it(
    pool: Pool, database_url: str, asked: dict[str, Any], part: str
) -> None:
    """By name, with the place of the entry, and nothing is written."""
    put(pool, patient(), "p")
    with pytest.raises(HealixError, match=r"Bundle\.entry\[1\]") as error:
        run(database_url, entry("POST", "Patient", patient()), asked, kind="transaction")
    assert part in error.value.message
    assert rows(pool, "SELECT count(*) FROM resource") == [(1,)]


def test_each_failure_of_a_transactions_operations_is_told(pool: Pool, database_url: str) -> None:
    """All of them, with their places."""
    nothing = entry("POST", "$fhirpath", {"resourceType": "Parameters"})
    with pytest.raises(HealixError) as error:
        run(database_url, nothing, entry("POST", "Patient", patient()), nothing, kind="transaction")
    assert [issue.expression for issue in error.value.issues] == [
        ("Bundle.entry[0].resource",), ("Bundle.entry[2].resource",),
    ]  # fmt: skip
    assert rows(pool, "SELECT count(*) FROM resource") == [(0,)]


def test_a_job_is_not_started_from_a_batch(pool: Pool, database_url: str) -> None:
    """$reindex answers by an address to look at, which an entry has no place for: it is refused and not begun."""
    before = rows(pool, "SELECT count(*) FROM reindexing")
    page = run(database_url, entry("POST", "$reindex"), kind="batch")
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["400"]
    assert rows(pool, "SELECT count(*) FROM reindexing") == before


def test_an_operation_needs_its_permission_in_a_bundle(pool: Pool, database_url: str) -> None:
    """A token that may not create may not ask whether it could."""
    reader, asked = with_scope("system/Patient.r"), entry("POST", "Patient/$validate", patient())
    page = run(database_url, asked, kind="batch", access=reader)
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["403"]
    with pytest.raises(HealixError) as error:
        run(database_url, asked, kind="transaction", access=reader)
    assert error.value.category is Category.FORBIDDEN


def test_operations_of_one_bundle_are_limited(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may take long: those beyond the limit are refused in a batch, and refuse a transaction."""
    monkeypatch.setattr(bundles, "OPERATIONS", 1)
    asked = [entry("POST", "$fhirpath", EXPRESSION)] * 2
    page = run(database_url, *asked, kind="batch")
    assert [shown.response.status[:3] for shown in page.entries if shown.response] == ["200", "422"]
    with pytest.raises(HealixError, match="at most 1 operations"):
        run(database_url, *asked, kind="transaction")
