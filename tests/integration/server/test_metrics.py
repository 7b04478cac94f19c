"""What operators see: the catalogue of metrics, slow statements, and the id of a request wherever it leads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import Connection
from psycopg_pool import ConnectionPool
from structlog.testing import capture_logs

from healix_fhir.kernel.database import Row, Statement, at_once, one
from healix_fhir.kernel.slow import Watch, watch
from healix_fhir.server.metrics import CATALOGUE, UP
from healix_fhir.server.statement.__main__ import METRICS
from healix_fhir.server.statement.metrics import page
from tests.support.live_server import LiveServer, live_server
from tests.support.serve import wait_until

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "healix.json"
EXTRA = {"le"}
BASIC = {"resourceType": "Basic", "code": {"text": "x"}}


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server on a database of its own."""
    with live_server(database_url, tmp_path) as running:
        yield running


def families(server: LiveServer) -> dict[str, tuple[str, set[str]]]:
    """By name of what `/metrics` shows: type and labels."""
    with server.client() as client:
        client.get("/fhir/metadata")
        text = client.get("/metrics").text
    found = {}
    for family in text_string_to_metric_families(text):
        if family.name.endswith("_created"):
            continue  # workers that count together show none
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - EXTRA
        found[name] = family.type, labels
    return found


def test_the_catalogue_is_what_is_shown(server: LiveServer) -> None:
    """Every metric of the catalogue is shown with its type and labels, and no other."""
    shown = families(server)
    assert {metric.name: metric.kind.value for metric in CATALOGUE} == {name: kind for name, (kind, _) in shown.items()}
    for metric in CATALOGUE:
        assert shown[metric.name][1] <= set(metric.labels)
    assert shown["healix_http_requests_total"][1] == {"route", "status"}
    assert shown["healix_jobs"][1] == {"state"}


def test_the_catalogue_is_documented() -> None:
    """docs/reference/metrics.md is made from the catalogue; `make docs` makes it so."""
    assert METRICS.read_text(encoding="utf-8") == page()


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Every query of the dashboard names metrics of the catalogue, and most of the catalogue is on it."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    names = {metric.name for metric in CATALOGUE}
    series = names | {f"{metric.name}_bucket" for metric in CATALOGUE if metric.kind.value == "histogram"}
    asked = {name for query in queries for name in re.findall(r"healix_\w+", query)}
    assert len(queries) > 10
    assert asked - series == set()
    assert len({name.removesuffix("_bucket") for name in asked} & names) >= len(names) * 0.7


def test_metrics_without_the_database(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database does not answer the counters are shown all the same, and that it does not."""
    monkeypatch.setattr("healix_fhir.server.gauges._STATE", "SELECT nothing")
    shown = families(server)
    assert UP.name in shown
    assert "healix_outbox_waiting_events" not in shown
    assert "healix_http_requests_total" in shown


def test_the_id_of_a_request_goes_with_its_event(server: LiveServer, pool: ConnectionPool[Connection[Row]]) -> None:
    """The event of a change has the id of the request that made it, for the log of the job worker."""
    with server.client("system/*.cruds") as client:
        assert client.post("/fhir/Basic", json=BASIC, headers={"X-Request-Id": "r-42"}).status_code == 201
    with pool.connection() as connection:
        (row,) = connection.execute("SELECT payload FROM outbox WHERE topic = 'resource'").fetchall()
    assert json.loads(row[0])["request"] == "r-42"


def test_slow_statements(
    pool: ConnectionPool[Connection[Row]], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow statement is told with its time, and its plan once, without the values that were asked for."""
    told = Watch()
    told.begin(database_url, 0.0)
    monkeypatch.setattr("healix_fhir.kernel.database.watch", told)
    asked = one(Statement("SELECT pk FROM resource WHERE id = %s AND type = 1", ("canary-9",)))
    with capture_logs() as lines:
        at_once(pool, asked)
        at_once(pool, one(Statement("SELECT pk FROM resource WHERE id = %s AND type = 1", ("canary-10",))))
        wait_until(lambda: [line for line in lines if "plan" in line], "the plan")
    slow = [line for line in lines if line["event"] == "slow statement"]
    plans = [line for line in lines if "plan" in line]
    assert [line["statement"] for line in slow] == [plans[0]["statement"]] * 2
    assert len(plans) == 1
    assert "Scan" in plans[0]["plan"]
    assert "canary" not in str(lines)


def test_nothing_is_slow_unless_said() -> None:
    """A process that is not told what is slow tells of nothing."""
    assert watch.seconds == float("inf")
