"""Bulk jobs as their clients see them, and a worker that does them in the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from psycopg import Connection

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.job import State
from healix_fhir.kernel.database import Row, open_pool
from healix_fhir.server.tasks import tasks
from tests.support.live_server import LiveServer

ASYNC = {"Prefer": "respond-async"}
FHIR = {"Content-Type": "application/fhir+json"}


def begun(client: httpx.Client, path: str, prefer: str = "respond-async", body: Any = None) -> str:
    """The path of the job that a kick-off request begins."""
    headers = {"Prefer": prefer} | (FHIR if body is not None else {})
    content = None if body is None else json.dumps(body)
    answer = client.request("GET" if body is None else "POST", path, headers=headers, content=content)
    assert answer.status_code == 202, answer.text
    return str(httpx.URL(answer.headers["content-location"]).path)


def work(server: LiveServer) -> None:
    """Do all jobs that wait, as the job worker does."""
    known = tasks(server.settings)
    with open_pool(server.settings.database_url, size=1) as pool, pool.connection() as connection:
        for id_, kind in _waiting(connection):
            known[jobs.TASKS[kind]](job=id_)


def _waiting(connection: Connection[Row]) -> list[Row]:
    return connection.execute(
        "SELECT id, kind FROM bulk_job WHERE state = ANY(%s) ORDER BY created", ([*jobs.UNDER_WAY],)
    ).fetchall()


@dataclass
class Exported:
    """A completed export: its manifest, and the resources of its files by list and type."""

    manifest: Mapping[str, Any]
    lines: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def ids(self, list_: str = "output") -> dict[str, list[str]]:
        """The ids of the resources of a list, sorted, by type."""
        return {name: sorted(one["id"] for one in found) for name, found in self.lines.get(list_, {}).items()}

    @property
    def messages(self) -> list[str]:
        """What the error files say."""
        found = self.lines.get("error", {}).get("OperationOutcome", [])
        return [issue["diagnostics"] for one in found for issue in one["issue"]]

    @property
    def deleted(self) -> list[str]:
        """What the deleted files say is gone."""
        bundles = self.lines.get("deleted", {}).get("Bundle", [])
        return sorted(entry["request"]["url"] for one in bundles for entry in one["entry"])


def collected(client: httpx.Client, job: str) -> Exported:
    """A completed job's manifest and files; their counts are those of the manifest."""
    answer = client.get(job)
    assert answer.status_code == 200, answer.text
    found = Exported(answer.json())
    for name in ("output", "deleted", "error"):
        for item in found.manifest[name]:
            file = client.get(item["url"])
            assert (file.status_code, file.headers["content-type"]) == (200, "application/fhir+ndjson")
            lines = [json.loads(line) for line in file.content.split(b"\n")[:-1]]
            assert len(lines) == item["count"] or "type" not in item
            found.lines.setdefault(name, {}).setdefault(item.get("type", ""), []).extend(lines)
    return found


def exported(
    server: LiveServer, client: httpx.Client, path: str, prefer: str = "respond-async", body: Any = None
) -> Exported:
    """What an export from its kick-off to its files brings."""
    job = begun(client, path, prefer, body)
    work(server)
    return collected(client, job)


__all__ = ["ASYNC", "Exported", "State", "begun", "collected", "exported", "work"]
