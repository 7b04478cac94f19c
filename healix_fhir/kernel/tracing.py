"""Traces of OpenTelemetry, where `HEALIX_OTLP_ENDPOINT` says who collects them; else nothing of it is loaded.

What a process does outside of HTTP is a span where it calls `span`: associations and their operations, jobs, errands.
They hold names, classes and statuses, and no address, UID or text that may name a patient's record.

Spec: OTLP 1.3 over HTTP; OpenTelemetry specification 1.40, Trace API
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import PREFIX, Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Tracer


class Told(Protocol):
    """A span that is under way."""

    def tell(self, name: str, value: str | int) -> None:
        """Add an attribute."""

    def failed(self) -> None:
        """Mark it as failed."""

    def end(self) -> None:
        """End it."""


class _Untold:
    """What is told where nobody collects it."""

    def tell(self, name: str, value: str | int) -> None:
        """Drop it."""

    def failed(self) -> None:
        """Nothing to mark."""

    def end(self) -> None:
        """Nothing to end."""


UNTOLD: Told = _Untold()
_tracers: list[Tracer] = []
"""That of this process, where it has one."""


def exporting(settings: Settings) -> TracerProvider | None:
    """Where spans go; None where nobody collects them. Raises Invalid where the libraries are not installed."""
    if not settings.otlp_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise invalid(f"{PREFIX}OTLP_ENDPOINT needs the libraries of OpenTelemetry: install healix[otel]") from error
    return provider(BatchSpanProcessor(OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")))


def provider(processor: SpanProcessor) -> TracerProvider:
    """A source of spans, which `processor` is given."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    made = TracerProvider(resource=Resource.create({"service.name": "healix"}))
    made.add_span_processor(processor)
    return made


@contextmanager
def tracing(source: TracerProvider | None) -> Iterator[None]:
    """Give `source` the spans of this process until the block ends, and send what is left then."""
    if source is None:
        yield
        return
    _tracers.append(source.get_tracer("healix"))
    try:
        yield
    finally:
        _tracers.pop()
        source.shutdown()


def begun(name: str, **told: str | int) -> Told:
    """A span within the one of this thread; whoever begins it ends it."""
    if not _tracers:
        return UNTOLD
    return _Span(_tracers[-1], name, told)


@contextmanager
def span(name: str, **told: str | int) -> Iterator[Told]:
    """A span that ends with the block, which what is begun in it is within; an exception marks it as failed."""
    if not _tracers:
        yield UNTOLD
        return
    from opentelemetry.trace import use_span

    made = _Span(_tracers[-1], name, told)
    try:
        # the text of an exception may hold what the caller sent
        with use_span(made.span, record_exception=False, set_status_on_exception=False):
            yield made
    except BaseException:
        made.failed()
        raise
    finally:
        made.end()


class _Span:
    def __init__(self, tracer: Tracer, name: str, told: dict[str, str | int]) -> None:
        self.span = tracer.start_span(name)
        for key, value in told.items():
            self.tell(key, value)

    def tell(self, name: str, value: str | int) -> None:
        self.span.set_attribute(f"healix.{name}", value)

    def failed(self) -> None:
        from opentelemetry.trace import StatusCode

        self.span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self.span.end()
