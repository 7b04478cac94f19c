"""Requests as spans of OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from starlette.types import Receive, Scope, Send

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.jobs import REQUEST, _told
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.tracing import exporting, provider, tracing
from healix_fhir.server.middleware import Outermost
from healix_fhir.server.origins import Origins
from healix_fhir.server.telemetry import Telemetry
from healix_fhir.server.tracing import Traced
from tests.support.asgi import request

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class App:
    """Answers with `status`, or fails."""

    status: int = 200
    seen: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        scope["healix.route"] = "fhir.instance"
        if not self.status:
            raise ValueError("Mrs Canary")
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def traced(app: App, **headers: str) -> InMemorySpanExporter:
    """The spans of a request for a patient's record."""
    spans = InMemorySpanExporter()
    source = provider(SimpleSpanProcessor(spans))
    layers = Outermost(Traced(app, source), Telemetry(), secure=False, origins=Origins(""))
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request(layers, "GET", "/fhir/Patient/canary-1?name=Canary", headers=given)
    return spans


@pytest.mark.spec("W3C Trace Context 3.2")
def test_a_request_is_a_span() -> None:
    """It goes on from the caller's span, and tells method, class of route, status and the id of the request."""
    (span,) = traced(App(), traceparent=f"00-{TRACE}-{PARENT}-01", x_request_id="r-7").get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (format_trace_id(span.context.trace_id), format_span_id(span.parent.span_id)) == (TRACE, PARENT)
    assert (span.name, span.kind, span.status.status_code) == ("GET fhir.instance", SpanKind.SERVER, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "fhir.instance",
        "http.response.status_code": 200,
        "healix.request": "r-7",
    }


@pytest.mark.parametrize("status", [0, 503])
def test_failures_are_marked(status: int) -> None:
    """A request that fails is a failed span, in which nothing of the record stands."""
    (span,) = traced(App(status)).get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "anary" not in span.to_json()


def test_a_job_is_a_span() -> None:
    """It has the id of the request that asked for it; one that fails is marked, in which nothing of why stands."""

    def work(name: str) -> None:
        if name == "Canary":
            raise ValueError(name)

    spans = InMemorySpanExporter()
    task = _told("bulk.export", work)
    with tracing(provider(SimpleSpanProcessor(spans))):
        task(name="x", **{REQUEST: "r-7"})
        with pytest.raises(ValueError, match="Canary"):
            task(name="Canary")
    task(name="x")
    done, failed = spans.get_finished_spans()
    assert (done.name, dict(done.attributes or {})) == ("job bulk.export", {"healix.request": "r-7"})
    assert (done.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert "anary" not in failed.to_json()


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the libraries are missing the setting is refused with what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert exporting(Settings()) is None
    with pytest.raises(HealixError, match=r"healix\[otel\]"):
        exporting(Settings(otlp_endpoint="http://collector:4318"))


def test_nothing_is_loaded_without_the_setting(tmp_path: Path) -> None:
    """A web process that traces nothing loads nothing of it."""
    program = (
        "import sys; from healix_fhir.kernel.settings import Settings; from healix_fhir.server.app import create_app;"
        f"from pathlib import Path; create_app(Settings(data_dir=Path({str(tmp_path)!r})));"
        "print(*[name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
