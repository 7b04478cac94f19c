"""Requests as spans of OpenTelemetry.

Each is a span that goes on from the caller's `traceparent`. It holds method, route class, status and the id of
the request, by which log lines and audit rows are found; no address, as that may name a patient's record.

Spec: W3C Trace Context 3; OpenTelemetry semantic conventions 1.27, HTTP server spans
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Traced:
    """The layer around `app` in which each request is a span."""

    def __init__(self, app: ASGIApp, source: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = source.get_tracer("healix")
        self._caller = TraceContextTextMapPropagator()
        self._kind, self._failed = SpanKind.SERVER, StatusCode.ERROR

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        told: dict[str, Any] = {
            "http.request.method": scope["method"],
            "healix.request": scope.get("healix.request", ""),
        }
        with self._tracer.start_as_current_span(
            scope["method"],
            self._caller.extract(headers),
            self._kind,
            told,
            record_exception=False,  # its text may hold what the caller sent
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, answer)
            finally:
                route = scope.get("healix.route", "other")
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
                if status:
                    span.set_attribute("http.response.status_code", status)
                if status >= 500 or not status:
                    span.set_status(self._failed)
