"""What stands around every request: ids, headers, CORS, the last answer, counters."""

from __future__ import annotations

import asyncio
import re

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from healix_fhir.server import telemetry
from healix_fhir.server.middleware import Outermost
from healix_fhir.server.origins import Origins
from healix_fhir.server.telemetry import BUCKETS, Telemetry
from tests.support.asgi import FakeGate, Reply, request, router

SECRET = "SELECT 1 FROM resource"
APP = "https://viewer.example"


class Broken:
    """Fails before it answers, after the head of its answer, or in the middle of it."""

    def __init__(self, error: Exception, *, sends: int = 0) -> None:
        self._error = error
        self._sends = sends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        messages = (
            {"type": "http.response.start", "status": 200, "headers": []},
            {"type": "http.response.body", "body": b"a part", "more_body": True},
        )
        for message in messages[: self._sends]:
            await send(message)
        raise self._error


def page(_: object) -> PlainTextResponse:
    """A page with a policy of its own."""
    return PlainTextResponse("x", headers={"Content-Security-Policy": "default-src 'self'"})


def application(
    *routes: BaseRoute, secure: bool = False, counters: Telemetry | None = None, origins: str = APP
) -> ASGIApp:
    """The middleware around some routes; scripts of `origins` may read."""
    known = Origins(origins)
    return Outermost(
        router([Route("/fhir/Patient", page), *routes]), counters or Telemetry(), secure=secure, origins=known
    )


def ask(app: ASGIApp, method: str = "GET", url: str = "/fhir/Patient", **headers: str) -> Reply:
    """A request with headers given as keywords."""
    return request(app, method, url, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("given", ["abc-1._Z", "x" * 64])
def test_a_plain_request_id_is_kept(given: str) -> None:
    """The caller's id of the request comes back, so that both sides log the same."""
    assert ask(application(), X_Request_Id=given).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", "{}"])
def test_any_other_request_id_is_replaced(given: str) -> None:
    """What could break a log line is no id; each request then gets one of its own."""
    app = application()
    ids = {ask(app, X_Request_Id=given).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", id_) for id_ in ids)


@pytest.mark.spec("FHIR R4 http.html#custom")
@pytest.mark.parametrize(
    ("given", "correlated"),
    [
        ("abc-1", None),
        ("a b", "a b"),
        ("{}", "{}"),
        ("x" * 65, "x" * 65),
        ("x" * 257, None),
        ("a\tb", None),
        ("", None),
    ],
)
def test_a_replaced_request_id_comes_back_beside_the_one_that_is_used(given: str, correlated: str | None) -> None:
    """So that the caller can tell which answer is to which request; nothing comes back that could break a header."""
    assert ask(application(), X_Request_Id=given).headers.get("x-correlation-id") == correlated


def test_security_headers_stand_on_every_answer_and_yield_to_a_pages_own() -> None:
    """Types are not guessed, nothing is framed, no referrer leaks; a page's own policy stays; HSTS only over TLS."""
    headers = ask(application()).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'self'"
    assert "strict-transport-security" not in headers
    assert "strict-transport-security" in ask(application(secure=True)).headers
    assert "frame-ancestors 'none'" in ask(application(), url="/nothing").headers["content-security-policy"]


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support")
def test_browsers_of_registered_origins_may_read_the_apis_and_nothing_else() -> None:
    """CORS opens the APIs to the origins of apps, without credentials; pages with sessions stay closed."""
    app = application(Route("/account/login", page))
    headers = ask(app, Origin=APP).headers
    assert headers["access-control-allow-origin"] == APP
    assert "ETag" in headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in headers
    for origin in ("https://a.example", f"{APP}.evil.test", "http://viewer.example", f"{APP}:8443", "null", "x\t"):
        headers = ask(app, Origin=origin).headers
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in ask(app).headers
    assert ask(app).headers["vary"] == "Origin"
    for shown in ("/account/login", "/oauth/authorize", "/oauth/logout"):
        assert "access-control-allow-origin" not in ask(app, url=shown, Origin=APP).headers
    assert ask(application(origins="*"), Origin="https://a.example").status == 200


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support")
@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
        "/.well-known/user-access-brands.json",
        "/fhir/.well-known/smart-configuration",
        "/fhir/metadata",
        "/oauth/style.json",
    ],
)
def test_discovery_is_for_every_origin(path: str) -> None:
    """What everyone may know is there for scripts of any origin, also for their preflights."""
    app = application(Route(path, page))
    assert ask(app, url=path, Origin="https://a.example").headers["access-control-allow-origin"] == "*"
    asked = ask(app, "OPTIONS", path, Origin="https://a.example", Access_Control_Request_Method="GET")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "*")
    assert "access-control-allow-origin" not in ask(app, url=path).headers


def test_a_preflight_is_answered_at_once_and_may_be_remembered() -> None:
    """A viewer may ask once for many frames: the preflight names methods, headers and how long it holds."""
    asked = {"Origin": APP, "Access_Control_Request_Method": "GET"}
    reply = ask(application(), "OPTIONS", "/dicomweb/studies/1", **asked)
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == APP
    assert int(reply.headers["access-control-max-age"]) >= 600
    assert "Authorization" in reply.headers["access-control-allow-headers"]
    assert "GET" in reply.headers["access-control-allow-methods"]
    refused = ask(application(), "OPTIONS", "/dicomweb/studies/1", **asked | {"Origin": "https://a.example"})
    assert refused.status == 204
    assert not [name for name in refused.headers if name.startswith("access-control")]


def test_an_unexpected_error_answers_500_with_the_request_and_nothing_else() -> None:
    """The caller gets an OperationOutcome that names the request; the log gets the error."""
    with capture_logs() as logs:
        reply = ask(application(Route("/x", Broken(RuntimeError(SECRET)))), url="/x", X_Request_Id="r1")
    assert (reply.status, reply.json["resourceType"]) == (500, "OperationOutcome")
    assert "r1" in reply.json["issue"][0]["diagnostics"]
    assert SECRET not in reply.body.decode()
    assert [line["request"] for line in logs] == ["r1"]


@pytest.mark.parametrize("status", [404, 405, 413])
def test_refusals_of_the_framework_keep_their_status(status: int) -> None:
    """An HTTPException is a refusal, not a fault."""
    assert ask(application(Route("/x", Broken(HTTPException(status)))), url="/x").status == status


def test_an_answer_that_breaks_off_is_not_completed() -> None:
    """When an answer fails half-way the connection is cut: a caller must not take the half for the whole."""
    with capture_logs(), pytest.raises(Exception, match=r"^$"):
        ask(application(Route("/x", Broken(RuntimeError(SECRET), sends=2))), url="/x")


def test_a_head_without_a_body_is_not_sent() -> None:
    """As long as nothing of the body was there, the caller gets the refusal in place of a head that promised more."""
    with capture_logs():
        reply = ask(application(Route("/x", Broken(RuntimeError(SECRET), sends=1))), url="/x")
    assert (reply.status, reply.json["resourceType"]) == (500, "OperationOutcome")


def metrics_of(client: str, *, token: str | None = None, **headers: str) -> Reply:
    """`/metrics` as asked from an address."""
    gate = FakeGate({"all": "system/*.r", "one": "system/Patient.r", "patient": "patient/*.cruds"})
    app = router(telemetry.routes(Telemetry(), gate))
    return request(app, "GET", "/metrics", headers=headers, token=token, client=(client, 1))


@pytest.mark.parametrize(
    ("client", "token", "headers", "status"),
    [
        ("127.0.0.1", None, {}, 200),
        ("::1", None, {}, 200),
        ("127.0.0.1", None, {"X-Forwarded-For": "192.0.2.1"}, 401),
        ("127.0.0.1", None, {"Forwarded": "for=192.0.2.1"}, 401),
        ("192.0.2.1", None, {}, 401),
        ("192.0.2.1", "one", {}, 403),
        ("192.0.2.1", "patient", {}, 403),
        ("192.0.2.1", "all", {}, 200),
    ],
)
def test_metrics_are_for_this_machine_or_a_systems_token(
    client: str, token: str | None, headers: dict[str, str], status: int
) -> None:
    """Callers from elsewhere, also through a proxy on this machine, need a token that reads all for the system."""
    reply = metrics_of(client, token=token, **headers)
    assert reply.status == status
    assert ("www-authenticate" in reply.headers) == (status != 200)


def test_requests_are_counted_by_route_class_and_status() -> None:
    """A request is one more of its class and status; no address reaches the counters."""
    counters = Telemetry()
    app = application(counters=counters)
    ask(app)
    ask(app, url="/fhir/nothing/secret-id")
    text = counters.render().decode()
    assert 'healix_http_requests_total{route="other",status="200"} 1.0' in text
    assert 'healix_http_requests_total{route="other",status="404"} 1.0' in text
    assert 'healix_http_request_seconds_count{route="other"} 2.0' in text
    assert "secret-id" not in text


def test_requests_of_one_tick_are_all_counted() -> None:
    """Those answered together are counted as they would be one by one: by class and status, each in its bucket."""
    took = {("fhir.type", 201): [0.001, 0.002, 0.3], ("fhir.type", 422): [0.3], ("other", 404): [70.0]}
    counters = Telemetry()

    async def answered() -> None:
        for (route, status), seconds in took.items():
            for one in seconds:
                counters.observe(route, status, one)

    asyncio.run(answered())
    asyncio.run(answered())
    text = counters.render().decode()
    for (route, status), seconds in took.items():
        assert f'healix_http_requests_total{{route="{route}",status="{status}"}} {2.0 * len(seconds)}' in text
    alone = Histogram("alone", "one by one", ("route",), buckets=BUCKETS, registry=(registry := CollectorRegistry()))
    for (route, _), seconds in took.items():
        for one in 2 * seconds:
            alone.labels(route).observe(one)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith(("alone_bucket", "alone_count")):
            assert line.replace("alone", "healix_http_request_seconds") in text
