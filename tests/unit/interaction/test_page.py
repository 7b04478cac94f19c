"""Bundles joined from stored bytes."""

from __future__ import annotations

from datetime import UTC, datetime

from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.result import Entry, Page, Response
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.errors import Issue
from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate

BASE = "http://healix.test/fhir"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_searchset() -> None:
    """Matches with their bytes, total and links."""
    page = Page(
        "searchset",
        (Entry(f"{BASE}/Basic/a", b'{"resourceType":"Basic","id":"a","code":{"text":"x"}}', "match"),),
        1,
        {"self": "code=x", "next": "code=x&_cursor=1"},
    )
    found = decode(encode_page(page, BASE, "Basic"))
    assert found == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [
            {"relation": "self", "url": f"{BASE}/Basic?code=x"},
            {"relation": "next", "url": f"{BASE}/Basic?code=x&_cursor=1"},
        ],
        "entry": [
            {
                "fullUrl": f"{BASE}/Basic/a",
                "resource": {"resourceType": "Basic", "id": "a", "code": {"text": "x"}},
                "search": {"mode": "match"},
            }
        ],
    }
    assert validate(found, "Bundle") == ()


def test_an_empty_page_has_no_entries() -> None:
    """FHIR knows no empty arrays, and a link without a query ends without a question mark."""
    found = decode(encode_page(Page("history", (), 0, {"self": ""}), BASE, "Basic/a/_history"))
    assert found == {
        "resourceType": "Bundle",
        "type": "history",
        "total": 0,
        "link": [{"relation": "self", "url": f"{BASE}/Basic/a/_history"}],
    }


def test_a_batch_response() -> None:
    """Entries without resource carry their response, refused ones an outcome."""
    refusal = outcome([Issue("not-found", "no", ("Bundle.entry[1]",))])
    page = Page(
        "batch-response",
        (
            Entry(None, response=Response("204 No Content", 'W/"2"', MOMENT)),
            Entry(None, response=Response("404 Not Found", outcome=refusal)),
            Entry(f"{BASE}/Basic/a", request=("PUT", "Basic/a"), response=Response("200 OK", location=f"{BASE}/x")),
        ),
    )
    found = decode(encode_page(page, BASE, ""))
    first, second, third = found["entry"]
    assert first == {
        "response": {"status": "204 No Content", "etag": 'W/"2"', "lastModified": "2026-01-02T03:04:05.000Z"}
    }
    assert second["response"]["outcome"]["issue"] == [
        {"severity": "error", "code": "not-found", "diagnostics": "no", "expression": ["Bundle.entry[1]"]}
    ]
    assert third["request"] == {"method": "PUT", "url": "Basic/a"}
    assert third["response"] == {"status": "200 OK", "location": f"{BASE}/x"}
    assert validate(found, "Bundle") == ()
