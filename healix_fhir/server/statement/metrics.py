"""The page of what `/metrics` shows."""

from __future__ import annotations

from healix_fhir.server.metrics import CATALOGUE
from healix_fhir.server.statement.table import lines, table

HEAD = """Made from the code by `make docs`; do not edit. `GET /metrics` shows these in the text format of Prometheus:
to callers on the same machine that came through no proxy, else with a token whose scope is `system/*.r` or more. The
counters are those of all web workers of one node; the gauges ask the database, so they are those of all nodes: take
their `max`, not their `sum`. No label holds an address, a name or an id. A dashboard for Grafana is
`deploy/grafana/healix.json`."""


def page() -> str:
    """The whole page."""
    rows = (
        (f"`{metric.name}`", metric.kind.value, ", ".join(f"`{label}`" for label in metric.labels), metric.meaning)
        for metric in CATALOGUE
    )
    return lines("# Metrics", HEAD, table(("metric", "type", "labels", "what it is"), rows))
