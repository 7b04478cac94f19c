"""A bulk job from its beginning to its end: polling, calling off, kills, failures and expiry.

Spec: HL7 Bulk Data Access 2.0.0 export.html; FHIR R4, hl7.org/fhir/R4/async.html
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import Connection

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk import pulse, starts
from healix_fhir.bulk.selection import Selection
from healix_fhir.bulk.store import LocalStore
from healix_fhir.bulk.sweep import sweep
from healix_fhir.kernel.database import Fragment, Row, open_pool, transaction
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.bulk import ASYNC, begun, collected, exported, work
from tests.support.live_server import LiveServer, live_server
from tests.support.serve import HEALIX, environment, wait_until
from tests.support.ward import fill, observation, put


@pytest.fixture
def look(server: LiveServer) -> Iterator[Connection[Row]]:
    """A connection to the server's database."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        yield connection


def files(server: LiveServer, job: str) -> list[Path]:
    """The files of a job on the disk."""
    return [path for path in (server.settings.data_dir / job.strip("/")).rglob("*") if path.is_file()]


def state(look: Connection[Row], job: str) -> str | None:
    """What the database says of a job."""
    row = look.execute("SELECT state FROM bulk_job WHERE id = %s", (job.rpartition("/")[2],)).fetchone()
    return row[0] if row else None


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#bulk-data-status-request")
def test_polling(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> None:
    """202 with progress and a time to wait; who asks sooner gets 429 and the time; in the end the manifest."""
    job = begun(client, "/fhir/$export?_type=Patient")
    first = client.get(job)
    assert (first.status_code, first.headers["retry-after"]) == (202, "1")
    assert first.headers["x-progress"] == "waiting: 0 resources"
    again = client.get(job)
    assert (again.status_code, again.json()["issue"][0]["code"]) == (429, "throttled")
    assert again.headers["retry-after"] == "1"
    look.execute("UPDATE bulk_job SET next_poll = now() + interval '30 min'")
    assert client.get(job).status_code == 202, "told so before the clock was set back"
    look.execute("UPDATE bulk_job SET next_poll = now(), created = created - interval '200 seconds'")
    assert client.get(job).headers["retry-after"] == "20"
    work(server)
    done = client.get(job)
    assert (done.status_code, done.headers["content-type"]) == (200, "application/json")
    assert "expires" in done.headers
    assert client.get(job).status_code == 200


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#bulk-data-delete-request")
def test_called_off(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> None:
    """A job that is called off before it begins answers 202, then 404, and is never done."""
    job = begun(client, "/fhir/$export?_type=Patient")
    assert client.delete(job).status_code == 202
    assert [client.request(method, job).status_code for method in ("GET", "DELETE")] == [404, 404]
    work(server)
    assert (state(look, job), files(server, job)) == ("cancelled", [])
    swept(server)
    assert state(look, job) is None


def swept(server: LiveServer) -> None:
    """Sweep as the worker does."""
    with open_pool(server.settings.database_url, size=1) as pool:
        sweep(pool, LocalStore(server.settings.data_dir / "bulk"))


def test_called_off_while_it_is_done(
    server: LiveServer, client: httpx.Client, look: Connection[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is called off while it is done stops, also where it waits for the database, and leaves nothing."""
    monkeypatch.setattr(pulse, "EVERY", 0.05)
    job = begun(client, "/fhir/$export?_type=Patient")
    held, real = threading.Event(), Selection.rows

    def slow(self: Any, name: str, columns: str) -> Any:
        held.set()
        found = real(self, name, columns)
        assert found is not None
        return Fragment(f"{found.sql} AND pg_sleep(30) IS NOT NULL", found.params)

    monkeypatch.setattr(Selection, "rows", slow)
    doing = threading.Thread(target=work, args=(server,))
    doing.start()
    assert held.wait(10)
    assert client.delete(job).status_code == 202
    doing.join(10)
    assert not doing.is_alive()
    assert (state(look, job), files(server, job), client.get(job).status_code) == ("cancelled", [], 404)


def test_files_are_let_go(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> None:
    """A client that is done deletes a completed job; its files are no more to be had, and go."""
    job = begun(client, "/fhir/$export?_type=Patient")
    work(server)
    (item,) = collected(client, job).manifest["output"]
    assert client.delete(job).status_code == 202
    assert [client.get(path).status_code for path in (job, item["url"])] == [404, 404]
    swept(server)
    assert (files(server, job), state(look, job)) == ([], None)


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#bulk-data-output-file-request")
def test_expired(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> None:
    """After their time job and files are not there any more, and the sweep removes what is left of them."""
    job = begun(client, "/fhir/$export?_type=Patient")
    work(server)
    (item,) = collected(client, job).manifest["output"]
    look.execute("UPDATE bulk_job SET expires = now() WHERE id = %s", (job.rpartition("/")[2],))
    assert [client.get(path).status_code for path in (job, item["url"])] == [404, 404]
    assert len(files(server, job)) == 1
    swept(server)
    assert (files(server, job), state(look, job)) == ([], None)


def test_files_of_no_job(server: LiveServer) -> None:
    """The sweep removes files of jobs that are not known, once they are old."""
    stray = server.settings.data_dir / "bulk" / "stray" / "1-Patient-1.ndjson"
    stray.parent.mkdir(parents=True)
    stray.touch()
    swept(server)
    assert stray.exists()
    for path in (stray, stray.parent):
        os.utime(path, (0, 0))
    swept(server)
    assert not stray.parent.exists()


def test_other_names(server: LiveServer, client: httpx.Client) -> None:
    """Only the files of the manifest are sent: no path leads out of the job."""
    job = begun(client, "/fhir/$export?_type=Patient")
    work(server)
    for name in ("1-Patient-1.ndjson", "..%2F..%2Fpostgres", "Patient-2.ndjson", "%00"):
        assert client.get(f"{job}/{name}").status_code == 404
    assert [client.get(path).status_code for path in ("/bulk/%00", "/bulk/..%2Fx", "/bulk/x")] == [404] * 3
    assert client.head(f"{job}/Patient-1.ndjson").headers["content-length"]
    assert client.post(job).status_code == 405


def test_many_jobs(client: httpx.Client, server: LiveServer) -> None:
    """A client with too many jobs under way is told to wait; another is not held by that."""
    with server.client("system/*.rs", client="busy") as busy:
        answers = [busy.get("/fhir/$export?_type=Patient", headers=ASYNC) for _ in range(jobs.AT_ONCE + 1)]
    assert [one.status_code for one in answers] == [202] * jobs.AT_ONCE + [429]
    assert answers[-1].headers["retry-after"]
    assert client.get("/fhir/$export?_type=Patient", headers=ASYNC).status_code == 202
    work(server)


def test_a_failure_that_passes(
    server: LiveServer, client: httpx.Client, look: Connection[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose storage is away is begun again, anew; one that never succeeds is told so with a reason."""
    job = begun(client, "/fhir/$export?_type=Patient")
    monkeypatch.setattr(LocalStore, "make", _away)
    for _ in range(starts.STARTS - 1):
        with pytest.raises(HealixError):
            work(server)
    assert state(look, job) == "running"
    monkeypatch.undo()
    work(server)
    assert collected(client, job).ids() == {"Patient": ["ann", "bob", "cis"]}
    worse = begun(client, "/fhir/$export?_type=Patient")
    look.execute("UPDATE bulk_job SET run = %s WHERE id = %s", (starts.STARTS, worse.rpartition("/")[2]))
    work(server)
    answer = client.get(worse)
    assert (answer.status_code, answer.json()["resourceType"]) == (500, "OperationOutcome")


def _away(*_: object) -> Any:
    raise HealixError(Category.UNAVAILABLE, "away")


@pytest.mark.parametrize(
    ("error", "status"),
    [(HealixError(Category.FULL, "full"), 507), (RuntimeError("a bug"), 500)],
    ids=["no room", "of itself"],
)
def test_a_failure_that_stays(
    server: LiveServer,
    client: httpx.Client,
    look: Connection[Row],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    """What another try would only do again ends a job sooner: its client is told within a minute."""

    def fail(*_: object) -> Any:
        raise error

    job = begun(client, "/fhir/$export?_type=Patient")
    monkeypatch.setattr(LocalStore, "make", fail)
    for _ in range(starts.FAILURES - 1):
        with pytest.raises(type(error)):
            work(server)
    assert state(look, job) == "running"
    work(server)
    assert client.get(job).status_code == status


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#response---complete-status")
def test_signed_links(database_url: str, tmp_path: Path) -> None:
    """Links signed by setting open their file alone, without a token, until they expire or the job is revoked."""
    with live_server(database_url, tmp_path, bulk_links="signed") as server:
        with server.client("system/*.cruds", client="registry") as writer:
            fill(writer)
        with server.client("system/*.rs", client="analytics") as client:
            job = begun(client, "/fhir/$export?_type=Patient,Observation")
            work(server)
            found = client.get(job).json()
        assert found["requiresAccessToken"] is False
        patients, observations = (item["url"] for item in found["output"])
        with httpx.Client(base_url=server.url) as anyone:
            assert len(anyone.get(patients).text.splitlines()) == 3
            signature = httpx.URL(patients).params["signature"]
            assert anyone.get(httpx.URL(observations).copy_with(params={"signature": signature})).status_code == 404
            assert anyone.get(httpx.URL(patients).copy_with(params={"signature": "é"})).status_code == 404
            assert anyone.get(httpx.URL(patients).copy_with(params={})).status_code == 401
            assert anyone.get(job, params={"signature": signature}).status_code == 401
            with psycopg.connect(database_url, autocommit=True) as look:
                revoke = "UPDATE access_token SET revoked = %s WHERE client = 'analytics'"
                look.execute(revoke, (True,))
                assert anyone.get(patients).status_code == 404
                look.execute(revoke, (False,))
                assert anyone.get(patients).status_code == 200
                look.execute("UPDATE bulk_job SET expires = now() + interval '1 minute'")
                assert anyone.get(patients).status_code == 404


def test_an_export_is_one_state(
    server: LiveServer, client: httpx.Client, writer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written while an export runs is not in it, of no type, and is told by the next one."""
    real = Selection.rows

    def between(self: Any, name: str, columns: str) -> Any:
        if name == "Patient":
            put(writer, {"resourceType": "Patient", "id": "late"}, observation("late-pulse", "late", "1"))
        return real(self, name, columns)

    monkeypatch.setattr(Selection, "rows", between)
    first = exported(server, client, "/fhir/$export?_type=Patient,Observation")
    assert "late" not in first.ids()["Patient"]
    assert "late-pulse" not in first.ids()["Observation"]
    monkeypatch.undo()
    since = first.manifest["transactionTime"]
    after = exported(server, client, f"/fhir/$export?_type=Patient,Observation&_since={since}").ids()
    assert ("late" in after["Patient"], "late-pulse" in after["Observation"]) == (True, True)
    for path in ("Observation/late-pulse", "Patient/late"):
        writer.delete(f"/fhir/{path}")


def test_the_transaction_time_waits_for_nobody(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> None:
    """The transaction time is before the beginning of every transaction that was open, so that `_since` misses none."""
    with psycopg.connect(server.settings.database_url) as open_one:
        (begun_at,) = open_one.execute("SELECT now()").fetchone() or ()
        found = exported(server, client, "/fhir/$export?_type=Patient")
    assert found.manifest["transactionTime"] <= begun_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def killed(server: LiveServer, client: httpx.Client, look: Connection[Row]) -> str:
    """A job whose worker was killed while it did it."""
    job = begun(client, "/fhir/$export?_type=Patient,Observation")
    program = (
        "import sys, time; from healix_fhir.bulk import export; from healix_fhir.kernel.settings import load;"
        "from healix_fhir.server.tasks import tasks; real = export.Series.end;"
        "export.Series.end = lambda self: (real(self), time.sleep(60));"
        "tasks(load({'data_dir': sys.argv[1], 'base_url': sys.argv[2]}))['bulk.export'](job=sys.argv[3])"
    )
    arguments = [str(server.settings.data_dir), server.url, job.rpartition("/")[2]]
    worker = subprocess.Popen(
        [HEALIX[0], "-c", program, *arguments], env=environment(database_url=server.settings.database_url)
    )
    try:
        wait_until(lambda: len(files(server, job)) == 1, "the first file")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert state(look, job) == "running"
    return job


def test_a_killed_worker(server: LiveServer, client: httpx.Client, killed: str) -> None:
    """A job whose worker was killed is taken up again: its files are whole, and none is left of the first start."""
    work(server)
    assert collected(client, killed).ids()["Patient"] == ["ann", "bob", "cis"]
    assert len(files(server, killed)) == 2


def test_a_worker_that_was_thought_dead(server: LiveServer, client: httpx.Client) -> None:
    """A start that another has followed changes nothing any more."""
    job = begun(client, "/fhir/$export?_type=Patient")
    with open_pool(server.settings.database_url, size=1) as pool:
        first = transaction(pool, lambda: jobs.start(job.rpartition("/")[2]))
        assert first is not None
        work(server)
        done = collected(client, job)
        assert transaction(pool, lambda: jobs.beat(first, 7, "late")) is jobs.Standing.OVER
        assert done.manifest["transactionTime"]


def test_files_of_the_start_that_followed(
    server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that was thought dead removes what it wrote when it hears of it, and nothing of the one that followed."""
    job = begun(client, "/fhir/$export?_type=Patient")
    real = Selection.rows

    def late(self: Any, name: str, columns: str) -> Any:
        monkeypatch.setattr(Selection, "rows", real)
        work(server)
        return real(self, name, columns)

    monkeypatch.setattr(Selection, "rows", late)
    work(server)
    assert collected(client, job).ids() == {"Patient": ["ann", "bob", "cis"]}
    assert [path.name for path in files(server, job)] == ["2-Patient-1.ndjson"]


def test_a_failure_while_the_store_is_away(
    server: LiveServer, client: httpx.Client, look: Connection[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that comes to nothing is told so also while its files cannot be removed."""
    job = begun(client, "/fhir/$export?_type=Patient")
    look.execute("UPDATE bulk_job SET run = %s WHERE id = %s", (starts.STARTS, job.rpartition("/")[2]))
    monkeypatch.setattr(LocalStore, "remove", _away)
    work(server)
    assert state(look, job) == "failed"
