"""Refusals: every category has its answer, and none tells what it must not."""

from __future__ import annotations

import psycopg
import pytest
from psycopg_pool import PoolTimeout
from structlog.testing import capture_logs

from healix_fhir.interaction.status import STATUS
from healix_fhir.kernel.errors import Category, HealixError, Issue
from tests.support.asgi import request
from tests.unit.api.fhir import JSON, Fhir

EXPECTED = {
    Category.INVALID: 400,
    Category.UNPROCESSABLE: 422,
    Category.UNAUTHENTICATED: 401,
    Category.FORBIDDEN: 403,
    Category.NOT_FOUND: 404,
    Category.GONE: 410,
    Category.NOT_ALLOWED: 405,
    Category.NOT_ACCEPTABLE: 406,
    Category.UNSUPPORTED_MEDIA: 415,
    Category.CONFLICT: 409,
    Category.PRECONDITION_FAILED: 412,
    Category.UNSUPPORTED: 400,
    Category.TOO_LARGE: 413,
    Category.BUSY: 429,
    Category.UNAVAILABLE: 503,
    Category.FULL: 507,
    Category.FAULT: 500,
}
SECRET = "SELECT body FROM resource /var/lib/healix Müller"


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_a_status_and_an_outcome_without_its_detail(category: Category) -> None:
    """Each category answers its status with an OperationOutcome that holds the public message only."""
    assert set(STATUS) == set(Category)
    fhir = Fhir()
    fhir.interactions.error = HealixError(category, "a public message", detail=SECRET, retry_after=7)
    reply = request(fhir.app, "GET", "/fhir/Patient/1")
    assert reply.status == EXPECTED[category]
    assert reply.json["resourceType"] == "OperationOutcome"
    assert reply.json["issue"][0]["diagnostics"] == "a public message"
    assert SECRET not in reply.body.decode()
    assert reply.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError(SECRET), 500),
        (psycopg.ProgrammingError(SECRET), 500),
        (psycopg.OperationalError(SECRET), 503),
        (PoolTimeout(SECRET), 503),
    ],
)
def test_what_nobody_foresaw_tells_only_the_request(error: Exception, status: int) -> None:
    """An unexpected error answers 500, a database that is away 503; the log has the reason, the caller none of it."""
    fhir = Fhir()
    fhir.interactions.error = error
    with capture_logs() as logs:
        reply = request(fhir.app, "GET", "/fhir/Patient/1")
    assert reply.status == status
    assert SECRET not in reply.body.decode()
    assert ("retry-after" in reply.headers) == (status == 503)
    assert [line["log_level"] for line in logs] == ["error"]


def test_all_issues_reach_the_caller_with_their_expressions() -> None:
    """Every issue of a refusal is told, with its FHIRPath location."""
    fhir = Fhir()
    issues = (Issue("required", "one", ("Patient.name",)), Issue("value", "two", (), "warning"))
    fhir.interactions.error = HealixError(Category.INVALID, "not valid", issues=issues)
    reply = request(fhir.app, "PUT", "/fhir/Patient/1", headers=JSON, body=b"{}")
    assert reply.json["issue"] == [
        {"severity": "error", "code": "required", "diagnostics": "one", "expression": ["Patient.name"]},
        {"severity": "warning", "code": "value", "diagnostics": "two"},
    ]


EVERY = [
    ("GET", "/fhir/Patient/1"),
    ("HEAD", "/fhir/Patient/1"),
    ("PUT", "/fhir/Patient/1"),
    ("DELETE", "/fhir/Patient/1"),
    ("PATCH", "/fhir/Patient/1"),
    ("GET", "/fhir/Patient/1/_history"),
    ("GET", "/fhir/Patient/1/_history/1"),
    ("GET", "/fhir/Questionnaire/1/$populate"),
    ("GET", "/fhir/Patient/1/Observation"),
    ("GET", "/fhir/Patient"),
    ("POST", "/fhir/Patient"),
    ("POST", "/fhir/Patient/_search"),
    ("GET", "/fhir/Patient/_history"),
    ("POST", "/fhir/Patient/$validate"),
    ("POST", "/fhir"),
    ("POST", "/fhir/"),
    ("GET", "/fhir/_history"),
    ("POST", "/fhir/_search"),
    ("POST", "/fhir/$export"),
    ("GET", "/fhir/Nothing/1/2/3/4"),
]


@pytest.mark.parametrize(("method", "url"), EVERY)
@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="Healix"'),
        ({"Authorization": "Basic eDp5"}, 'Bearer realm="Healix"'),
        ({"Authorization": "Bearer stale"}, 'Bearer realm="Healix", error="invalid_token"'),
    ],
)
def test_no_address_but_metadata_answers_without_a_token(
    method: str, url: str, headers: dict[str, str], challenge: str
) -> None:
    """Without a token that lives every address answers 401 and how to get in; the error code is for those who tried."""
    fhir = Fhir()
    reply = request(fhir.app, method, url, headers=JSON | headers, token=None, body=b"{}")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, challenge)
    assert fhir.interactions.asked == []
    if method != "HEAD":
        assert reply.json["issue"][0]["code"] == "login"


def test_a_token_without_the_scope_answers_403_and_is_audited() -> None:
    """A scope that does not open the request answers 403 with insufficient_scope, and the refusal is on record."""
    fhir = Fhir(narrow="system/Patient.s")
    reply = request(fhir.app, "GET", "/fhir/Patient/1", token="narrow")
    assert (reply.status, reply.json["issue"][0]["code"]) == (403, "forbidden")
    assert reply.headers["www-authenticate"] == 'Bearer realm="Healix", error="insufficient_scope"'
    assert fhir.gate.denials.seen == [("read", "Patient/1")]
