"""Refusals on the DICOMweb edge: every category has its answer, and none tells what it must not."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from dicomweb.api.edge import Address, Edge
from dicomweb.status import HTTP
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.asgi import FakeGate, request, router

EXPECTED = {
    Category.INVALID: 400,
    Category.UNPROCESSABLE: 409,
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
SECRET = "SELECT blob FROM instance /var/lib/healix Doe^Jane"
GATE = FakeGate()


def application(error: Exception | None = None) -> ASGIApp:
    """One address whose handler raises, or streams three bytes."""

    async def handler(edge: Edge, asked: Request, access: AccessContext) -> Response:
        del edge, asked, access
        if error is not None:
            raise error
        return StreamingResponse(iter([b"a", b"bc"]), headers={"Content-Length": "3"})

    nothing = cast("Any", None)
    edge = Edge(nothing, nothing, nothing, GATE, "http://healix.test/dicomweb", 1, nothing, nothing, nothing)
    return router([Route("/dicomweb/studies/{study}", Address("wado", edge, {"GET": handler}))])


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_a_status_and_a_reason_without_its_detail(category: Category) -> None:
    """Each category answers its status with the public message only."""
    assert set(HTTP) == set(Category)
    error = HealixError(category, "a public message", detail=SECRET, retry_after=7)
    reply = request(application(error), "GET", "/dicomweb/studies/1")
    assert reply.status == EXPECTED[category]
    assert reply.json == {"error": "a public message", "issues": ["a public message"]}
    assert (reply.headers["retry-after"], reply.headers["cache-control"]) == ("7", "no-store")


def test_a_refused_scope_is_audited() -> None:
    """Forbidden is on record with what was asked for."""
    GATE.denials.seen.clear()
    reply = request(application(HealixError(Category.FORBIDDEN, "no")), "GET", "/dicomweb/studies/1.2")
    assert reply.headers["www-authenticate"] == 'Bearer realm="Healix", error="insufficient_scope"'
    assert GATE.denials.seen == [("wado", "1.2")]


def test_what_nobody_foresaw_tells_only_the_request() -> None:
    """An unexpected error answers 500; the log has the reason, the caller none of it."""
    with capture_logs() as logs:
        reply = request(application(RuntimeError(SECRET)), "GET", "/dicomweb/studies/1")
    assert (reply.status, len(logs)) == (500, 1)
    assert SECRET not in reply.body.decode()


def test_head_reads_nothing_that_get_would_send() -> None:
    """HEAD answers the headers of GET and no byte of its body."""
    reply = request(application(), "HEAD", "/dicomweb/studies/1")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "3", b"")
    assert request(application(), "GET", "/dicomweb/studies/1").body == b"abc"
