"""What operators measure: requests by route class and status, and how long they took, for Prometheus at `/metrics`.

The workers of one server count together (see shared_counters.py), so that whichever of them is asked answers for all.
Labels hold route classes, never addresses: no patient's id reaches
the operator's monitoring.

`/metrics` answers callers on the same machine that came through no proxy; all others need a token whose scope reads
every type for the system (`system/*.r`).
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from healix_fhir.api.call import header_map
from healix_fhir.api.outcome import refusal
from healix_fhir.kernel.errors import HealixError, forbidden
from healix_fhir.kernel.standby import Where
from healix_fhir.server.metrics import REFUSED, REQUESTS, SECONDS, SLOW, STANDBY, Metric
from healix_fhir.server.shared_counters import SHARED
from smart_auth.challenge import Gate
from smart_auth.scope import Context, Permission

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
Gauges = Callable[[], Awaitable[bytes]]
FORWARDED = (b"forwarded", b"x-forwarded-for", b"via")


class Durations(Histogram):
    """A histogram that takes several measurements at once: it changes its sum and each bucket once for all of them."""

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Count each of `seconds`, as `observe` would."""
        self._sum.inc(sum(seconds))
        for place, times in Tally(bisect_left(self._upper_bounds, one) for one in seconds).items():
            self._buckets[place].inc(times)


class Telemetry:
    """The counters of one web process.

    Requests that are answered in one tick of the event loop are counted together, before it waits for others.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter(REQUESTS)
        self._refused = self._counter(REFUSED)
        self._slow = self._counter(SLOW)
        self._standby = self._counter(STANDBY)
        self._seconds = Durations(
            SECONDS.name, SECONDS.meaning, SECONDS.labels, buckets=BUCKETS, registry=self._registry
        )
        self._counted: dict[tuple[str, int], tuple[Counter, Durations]] = {}
        self._answered: defaultdict[tuple[str, int], list[float]] = defaultdict(list)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._count)
        self._answered[route, status].append(seconds)

    def _count(self) -> None:
        answered = [*self._answered.items()]
        self._answered.clear()
        for (route, status), seconds in answered:
            found = self._counted.get((route, status))
            if found is None:
                found = self._requests.labels(route, str(status)), self._seconds.labels(route)
                self._counted[route, status] = found
            found[0].inc(len(seconds))
            found[1].observe_all(seconds)

    def slow(self) -> None:
        """Count a slow statement."""
        self._slow.inc()

    def on_standby(self, where: Where) -> None:
        """Count a search that a standby was asked for."""
        self._standby.labels(where).inc()

    def turned_away(self, work: str, reason: str) -> None:
        """Count a request for which there was no place."""
        self._refused.labels(work, reason).inc()

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def render(self) -> bytes:
        """Everything counted, in Prometheus' text format."""
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def standby_counter() -> Callable[[Where], None]:
    """What counts the queries of a process that answers no HTTP, together with the searches of its server."""
    registry = CollectorRegistry()
    counter = Counter(STANDBY.name, STANDBY.meaning, STANDBY.labels, registry=registry)
    return lambda where: counter.labels(where).inc()


def routes(telemetry: Telemetry, gate: Gate, gauges: Gauges | None = None) -> list[BaseRoute]:
    """`/metrics`: what was counted, and what `gauges` show at the moment."""

    async def metrics(request: Request) -> Response:
        headers = header_map(request.scope["headers"])
        client = request.scope.get("client")
        try:
            if not _local(client, headers):
                access = await gate.access(headers, client[0] if client else None, request.scope.get("healix.request"))
                if not any(
                    scope.context is Context.SYSTEM and scope.type == "*" and Permission.READ in scope.permissions
                    for scope in access.scopes
                ):
                    raise forbidden("metrics need a token with system/*.r")
        except HealixError as error:
            answer = refusal(error, headers)
            refused = Response(answer.body, answer.status, media_type="application/fhir+json")
            refused.raw_headers.extend(answer.headers)
            return refused
        shown = await gauges() if gauges is not None else b""
        return Response(telemetry.render() + shown, media_type=CONTENT_TYPE_LATEST)

    return [Route("/metrics", metrics, methods=["GET"])]


def _local(client: tuple[str, int] | None, headers: object) -> bool:
    if client is None or any(name in headers for name in FORWARDED):  # type: ignore[operator]
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False
