"""What `/metrics` shows: the one table that the counters, the gauges and docs/reference/metrics.md are made from."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from healix_fhir.kernel.counting import MANY, count


class Kind(Enum):
    """The types of Prometheus."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Metric(NamedTuple):
    """A family of time series. Labels hold classes of things, never addresses, names or ids."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str


REQUESTS = Metric("healix_http_requests_total", Kind.COUNTER, ("route", "status"), "requests answered")
SECONDS = Metric("healix_http_request_seconds", Kind.HISTOGRAM, ("route",), "time to answer")
REFUSED = Metric(
    "healix_http_refused_total",
    Kind.COUNTER,
    ("work", "reason"),
    "requests for which there was no place, by class of work (clinical, bulk) and reason (unavailable: the line was"
    " full or too slow; busy: too many of one caller; memory: too many bodies)",
)
SLOW = Metric("healix_slow_statements_total", Kind.COUNTER, (), "statements slower than `HEALIX_SLOW_STATEMENT_MS`")
STANDBY = Metric(
    "healix_standby_searches_total",
    Kind.COUNTER,
    ("result",),
    "searches, and queries of DICOM peers to the same server, by what became of them on the standby: served, or made on"
    " the primary since it was behind or lost (those of the moments after that are not counted)",
)
COUNTED = (REQUESTS, SECONDS, REFUSED, SLOW, STANDBY)

UP = Metric("healix_database_up", Kind.GAUGE, (), "1 while the database answers; the other gauges are missing at 0")


class Gauge(NamedTuple):
    """A gauge, and the expression or query of one value, or of rows (label, value), that tells it."""

    metric: Metric
    sql: str


def _gauge(name: str, meaning: str, sql: str, *labels: str) -> Gauge:
    return Gauge(Metric(f"healix_{name}", Kind.GAUGE, labels, meaning), sql)


def _last_check(column: str) -> str:
    return (
        f"SELECT coalesce((SELECT {column} FROM integrity_check ORDER BY finished DESC NULLS LAST, id DESC LIMIT 1), 0)"
    )


MOST = f"{MANY} at most"
_JOBS = "FROM procrastinate_jobs WHERE status ="
GAUGES = (
    _gauge(
        "outbox_waiting_events",
        f"events that wait for the job worker, {MOST}",
        f"SELECT {count('FROM outbox WHERE attempts < 8')}",
    ),
    _gauge(
        "outbox_oldest_seconds",
        "how long the oldest of them waits",
        "SELECT coalesce(greatest(extract(epoch FROM now() - min(due)), 0), 0) FROM outbox WHERE attempts < 8",
    ),
    _gauge(
        "outbox_given_up_events",
        f"events that were tried in vain and are kept, {MOST}; the log says why",
        f"SELECT {count('FROM outbox WHERE attempts >= 8')}",
    ),
    _gauge(
        "jobs",
        f"durable jobs by state: todo, doing, failed; {MOST}",
        " UNION ALL ".join(f"SELECT '{state}', {count(f'{_JOBS} {state!r}')}" for state in ("todo", "doing", "failed")),
        "state",
    ),
    _gauge(
        "errands",
        f"what is to be done at other systems, by state: waiting, given_up; {MOST}",
        f"SELECT 'waiting', {count('FROM errand WHERE ended IS NULL')}"
        f" UNION ALL SELECT 'given_up', {count('FROM errand WHERE given_up')}",
        "state",
    ),
    _gauge(
        "mails_waiting",
        f"mails that are not sent yet, {MOST}",
        f"SELECT {count('FROM mail WHERE given_up IS NULL')}",
    ),
    _gauge("database_bytes", "size of the database", "SELECT pg_database_size(current_database())"),
    _gauge(
        "database_connections",
        "connections to the database, of all nodes and others",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    ),
    _gauge("database_max_connections", "as many as it takes", "SELECT current_setting('max_connections')::int"),
    _gauge(
        "rows",
        "rows of the largest tables (resource, resource_history, audit_event, study, instance), as the planner guesses",
        "SELECT relname::text, greatest(sum(reltuples), 0) FROM pg_class WHERE relkind IN ('r', 'p') AND relname ="
        " ANY(ARRAY['resource', 'resource_history', 'audit_event', 'study', 'instance']) GROUP BY relname",
        "table",
    ),
    _gauge(
        "integrity_damaged_instances",
        f"stored instances that are missing or damaged, as far as is known, {MOST}",
        f"SELECT {count('FROM damaged_instance')}",
    ),
    _gauge(
        "integrity_last_check_started_seconds",
        "when the last check of stored images that has ended, or else the first one, began; 0: there was none",
        _last_check("extract(epoch FROM begun)"),
    ),
    _gauge(
        "integrity_last_check_finished_seconds",
        "when it ended; 0 until then",
        _last_check("coalesce(extract(epoch FROM finished), 0)"),
    ),
    _gauge("integrity_last_check_instances", "instances that it read", _last_check("checked")),
    _gauge(
        "integrity_last_check_repaired_instances",
        "instances that it repaired from the other tier",
        _last_check("repaired"),
    ),
)

CATALOGUE = (*COUNTED, UP, *(gauge.metric for gauge in GAUGES))
