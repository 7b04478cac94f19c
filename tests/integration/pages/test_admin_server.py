"""The server in the hands of an administrator: devices, the audit trail, jobs, storage, health and settings."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.pages.admin import jobs, storage
from tests.integration.pages.test_admin_clients import administering, send
from tests.support.dicom import ct
from tests.support.gate import Pool
from tests.support.portal import account
from tests.support.search import Clinic
from tests.support.study import open_store

WATCH = {
    "resourceType": "Device",
    "id": "w",
    "status": "active",
    "deviceName": [{"name": "Heart failure watch", "type": "user-friendly-name"}],
    "patient": {"reference": "Patient/p1"},
}


def paired(pool: Pool, device: str, patient: str) -> None:
    """A device with a token."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO access_token (hash, client, scope, patient, grant_id, expires)"
            " VALUES (sha256(convert_to(%(of)s, 'utf8')), %(of)s, '', %(patient)s, %(of)s, now() + interval '1 hour')",
            {"of": f"device/{device}", "patient": patient},
        )


def test_devices_lose_their_access(database_url: str, pool: Pool) -> None:
    """Every device with a token is listed and found by its patient; ended, it has no token, and is inactive if it is
    still there. What it is called is not shown.
    """
    account(pool, "root", "admin")
    Clinic(pool).put({"resourceType": "Patient", "id": "p1"}, WATCH)
    paired(pool, "w", "p1")
    paired(pool, "gone", "p2")

    async def use(client: httpx.AsyncClient) -> None:
        listed = (await client.get("/admin/devices")).text
        assert "Device/w" in listed
        assert "Device/gone" in listed
        assert "Heart failure" not in listed
        found = (await client.get("/admin/devices?q=Patient/p1")).text
        assert "Device/w" in found
        assert "Device/gone" not in found
        for device, status in (("w", 303), ("gone", 303), ("w", 404), ("none", 404)):
            assert (await send(client, f"/admin/devices/{device}/end")).status_code == status
        assert "No device has access" in (await client.get("/admin/devices")).text

    administering(database_url, use)
    with pool.connection() as connection:
        (body,) = connection.execute("SELECT convert_from(body, 'utf8') FROM resource WHERE id = 'w'").fetchone() or ()
        assert '"inactive"' in body
        assert connection.execute("SELECT count(*) FROM access_token WHERE NOT revoked").fetchone() == (0,)
        said = connection.execute(
            "SELECT DISTINCT account, patient, entity FROM audit_event WHERE action = 'D' AND subtype = 'token'"
        ).fetchall()
    assert sorted(said) == [("root", "p1", "Device/w"), ("root", "p2", "Device/gone")]


def test_pages_of_devices_part_by_key(database_url: str, pool: Pool) -> None:
    """A page shows 25 and leads to those after it."""
    account(pool, "root", "admin")
    for number in range(27):
        paired(pool, f"d{number:02}", "p1")

    async def use(client: httpx.AsyncClient) -> None:
        first = (await client.get("/admin/devices")).text
        (onward,) = re.findall(r'href="([^"]+)" rel="next"', first)
        second = (await client.get(onward.replace("&amp;", "&"))).text
        of_pages = [re.findall(r"Device/(d\d+)</span>\s*<div", text) for text in (first, second)]
        assert of_pages == [[f"d{one:02}" for one in range(25)], ["d25", "d26"]]
        assert 'rel="next"' not in second

    administering(database_url, use)


def test_the_audit_trail_is_searched(database_url: str, pool: Pool) -> None:
    """By time, person, patient, app, event, action and outcome, by pages; what a search asked for is not shown."""
    account(pool, "root", "admin")
    with pool.connection() as connection:
        connection.execute(
            """INSERT INTO audit_event
                 (recorded, action, subtype, outcome, client, account, address, patient, entity, query)
               SELECT '2026-01-02T03:04:00Z'::timestamptz + n * interval '1 second', 'E', 'search-type', 0, 'app',
                 'dr', '192.0.2.1', 'p1', 'Observation', 'code=hiv-' || n FROM generate_series(1, 60) n
               UNION ALL SELECT '2026-02-01', 'R', 'read', 4, 'ct', 'eve', NULL, 'p2', 'Observation/o', NULL"""
        )

    async def use(client: httpx.AsyncClient) -> None:
        async def found(**asked: str) -> str:
            answer = await client.get("/admin/audit", params=asked)
            assert answer.status_code == 200
            return answer.text

        first = await found(person="DR", since="2026-01-02T03:04", until="2026-01-03T00:00")
        assert first.count("through app") == 50
        assert "hiv" not in first
        (onward,) = re.findall(r'href="([^"]+)" rel="next"', first)
        second = await client.get(onward.replace("&amp;", "&"))
        assert second.text.count("through app") == 10
        assert second.text.count("by dr") == 10
        for asked in (
            {"patient": "p2"}, {"app": "ct"}, {"what": "read", "person": "eve"}, {"outcome": "4"},
            {"action": "R", "since": "2026-02-01T00:00", "until": "2026-02-01T00:01"},
            {"since": "2026-02-01T05:30+05:30", "until": "2026-01-31T16:01-08:00"},
        ):  # fmt: skip
            text = await found(**asked)
            assert ("Observation/o" in text, "through app" in text) == (True, False)
            assert "refused</strong>" in text
        assert "Nothing like this" in await found(person="nobody")
        for moment in ("yesterday", "0001-01-01T00:00+14:00"):
            assert (await client.get("/admin/audit", params={"since": moment})).status_code == 400
        assert (await client.get("/admin/audit?patient=%3Cb%3E")).status_code == 400
        assert (await client.get("/admin/audit?cursor=x")).status_code == 400

    administering(database_url, use)


def test_a_failed_job_is_tried_again(database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are listed by state without what they were asked to do; one that was given up goes back into the queue. Of a
    long queue of events the first are counted.
    """
    account(pool, "root", "admin")
    with pool.connection() as connection:
        (number,) = (
            connection.execute(
                """INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args)
               VALUES ('default', 'sms.send', 'failed', 8, '{"to": "+4366012345"}') RETURNING id"""
            ).fetchone()
            or ()
        )
        connection.execute("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('default', 'archive.sweep')")
        connection.execute("INSERT INTO outbox (topic, payload) SELECT 'late', '{}' FROM generate_series(1, 3)")

    async def use(client: httpx.AsyncClient) -> None:
        text = (await client.get("/admin/jobs")).text
        assert "archive.sweep" in text
        assert "+4366012345" not in text
        failed = (await client.get("/admin/jobs?state=failed")).text
        assert ("sms.send" in failed, "archive.sweep" in failed) == (True, False)
        assert (await client.get("/admin/jobs?after=x")).status_code == 400
        assert ("3 waiting" in text, "are counted" in text) == (True, False)
        monkeypatch.setattr(jobs, "LOOKED_AT", 2)
        text = (await client.get("/admin/jobs")).text
        assert ("2 waiting" in text, "Only the first 2 are counted" in text) == (True, True)
        for id_, status in ((str(number), 303), (str(number), 404), ("x", 404)):
            assert (await send(client, f"/admin/jobs/{id_}/retry")).status_code == status

    administering(database_url, use)
    with pool.connection() as connection:
        states = connection.execute("SELECT DISTINCT status::text, attempts FROM procrastinate_jobs").fetchall()
        said = connection.execute("SELECT account, entity, query FROM audit_event WHERE subtype = 'job'").fetchall()
    assert states == [("todo", 0)]  # with all its tries before it
    assert said == [("root", f"job/{number}", "sms.send")]


def test_storage_health_and_settings(
    database_url: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is summed up, exactly or by a sample; parts that need attention say so; settings are named."""
    account(pool, "root", "admin")
    stored = open_store(pool, tmp_path)
    stored.add(ct(1, 1, 1, size=8))
    with pool.connection() as connection:
        (size,) = connection.execute("SELECT sum(size)::bigint FROM instance").fetchone() or ()

    async def use(client: httpx.AsyncClient) -> None:
        text = (await client.get("/admin/storage")).text
        assert f"<dt>Bytes</dt><dd>{storage.size(size)}</dd>" in text
        assert text.count("<code>") == storage.TABLES
        health = (await client.get("/admin/health")).text
        assert "has never run" in health
        assert "look at it" in health
        settings = (await client.get("/admin/settings")).text
        assert "HEALIX_DIMSE_PORT" in settings

    administering(database_url, use)
    monkeypatch.setattr(storage, "EXACT", 0)
    found = transaction(pool, lambda: storage._images(0))
    assert (found.instances, found.size, found.exact) == (1, size, False)
    with pool.connection() as connection:
        connection.execute(
            """INSERT INTO bulk_file (job, name, place, list, count, size, key)
               SELECT 'j', n, n, 'output', 1, 10, n FROM generate_series(1, 3) n"""
        )
    many = [transaction(pool, lambda: storage._stored(0, Origin("test")))]
    with pool.connection() as connection:
        connection.execute("ANALYZE bulk_file")
    many.append(transaction(pool, lambda: storage._stored(0, Origin("test"))))
    monkeypatch.setattr(storage, "EXACT", 3)
    many.append(transaction(pool, lambda: storage._stored(0, Origin("test"))))
    assert [(one.exports, one.exports_size, one.many_exports) for one in many] == [
        (1, 10, True), (3, 30, True), (3, 30, False),
    ]  # fmt: skip
    assert [(one.deleted, one.many_deleted) for one in many] == [(0, False)] * 3


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (99_950, "100 kB"), (999_500, "1.0 MB")]
)
def test_bytes_as_people_say_them(count: int, told: str) -> None:
    """Two digits or three, in the unit that fits."""
    assert storage.size(count) == told
