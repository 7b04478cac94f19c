"""`healix doctor`: what is wrong with a server's surroundings is found, and nothing else is told."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from healix_fhir.kernel.database import one, run
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.app import POOL
from healix_fhir.server.doctor import machine, rows
from healix_fhir.server.doctor.machine import certificate
from tests.support.doctor import doctor


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a secret."""
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    (made / "keys.secret").write_bytes(b"s" * 32)
    (made / "keys.secret").chmod(0o600)
    return made


def test_fsync_is_off(database_url: str, data_dir: Path) -> None:
    """The database of the tests may lose what it has, and is told on; else there is no problem."""
    code, found = doctor(database_url, data_dir)
    assert code == 1
    assert {about for about, (state, _) in found.items() if state == "problem"} - {"disk"} == {"fsync"}
    assert "destroy" in found["fsync"][1]
    assert found["schema"][0] == found["events"][0] == found["image archive"][0] == "ok"


def test_what_is_behind(database_url: str, data_dir: Path) -> None:
    """Events that nobody handles, failed jobs, mail given up, damaged images, an old key: each by its count alone."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        run(connection, one(publish([Event("resource", {"id": "secret-patient"})])))
        connection.execute("UPDATE outbox SET due = now() - interval '1 hour'")
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('default', 'x', 'failed')"
        )
        connection.execute(
            "INSERT INTO mail (recipient, subject, text, given_up) VALUES ('ada@example.org', 's', 't', now())"
        )
        connection.execute("INSERT INTO damaged_instance (instance_uid, blob, damage) VALUES ('1.2', 'b', 'missing')")
        connection.execute(
            "INSERT INTO signing_key (kid, public, sealed, created) VALUES ('k', '{}', '', now() - interval '400 days')"
        )
    _, found = doctor(database_url, data_dir)
    states = {about: found[about][0] for about in ("events", "jobs", "mail", "images", "signing key")}
    assert states == {
        "events": "problem",
        "jobs": "warning",
        "mail": "warning",
        "images": "problem",
        "signing key": "warning",
    }
    said = " ".join(says for _, says in found.values())
    assert "secret-patient" not in said
    assert "ada@" not in said
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE outbox SET attempts = 8")
    assert "given up" in doctor(database_url, data_dir)[1]["events"][1]


def test_permissions(database_url: str, data_dir: Path) -> None:
    """A secret that others may read, a directory that others may write in, a key file that is not there."""
    (data_dir / "keys.secret").chmod(0o640)
    data_dir.chmod(0o777)
    _, found = doctor(database_url, data_dir, backup_key_file=str(data_dir / "none"))
    told = [found[about][0] for about in ("keys.secret", "data directory", "HEALIX_BACKUP_KEY_FILE")]
    assert told == ["problem"] * 3


def test_permissions_of_a_volume(database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a container's runtime mounts for the group of the server is as it has to be; a secret for all is not."""
    data_dir.chmod(0o777)
    monkeypatch.setattr(os.path, "ismount", lambda _: True)
    monkeypatch.setattr(os, "geteuid", lambda: data_dir.stat().st_uid + 1)
    for mode, state in ((0o440, "ok"), (0o444, "problem")):
        (data_dir / "keys.secret").chmod(mode)
        found = doctor(database_url, data_dir)[1]
        assert (found["keys.secret"][0], found["data directory"][0]) == (state, "ok")


def test_schemas(database_url: str, data_dir: Path) -> None:
    """One that is not up to date, of a later version, being restored, or not there; nothing is migrated."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for version, said in (("0001", "healix migrate"), ("9999", "later version")):
            connection.execute("UPDATE alembic_version SET version_num = %s", (version,))
            assert said in doctor(database_url, data_dir)[1]["schema"][1]
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (version,)
        connection.execute("CREATE TABLE restoring ()")
        assert "restore" in doctor(database_url, data_dir)[1]["schema"][1]
        connection.execute("DROP TABLE restoring")
    away = doctor("postgresql://user:password@127.0.0.1:1/none", data_dir)
    assert (away[0], away[1]["database"][0]) == (1, "problem")
    assert "password" not in away[1]["database"][1]
    wrong = doctor("postgresql//user:password@127.0.0.1/none", data_dir)
    assert (wrong[0], wrong[1]["database"][0]) == (1, "problem")
    assert "password" not in wrong[1]["database"][1]
    assert doctor("", data_dir)[1]["database"] == ("problem", "there is none yet: run `healix serve`")


def test_clock(database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database whose clock is a minute off."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)
    assert doctor(database_url, data_dir)[1]["clock"][0] == "problem"


@pytest.mark.parametrize(("free", "state"), [(500 << 30, "ok"), (50 << 30, "warning"), (1 << 29, "problem")])
def test_disk(data_dir: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    """Little room is a warning, next to none a problem."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1 << 40, free=free))
    assert machine._disk(data_dir).state == state


@pytest.mark.parametrize(("days", "state"), [(90, "ok"), (20, "warning"), (-2, "problem")])
def test_certificates(tmp_path: Path, days: int, state: str) -> None:
    """One that expires soon, or has; one that is none."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=100), now + timedelta(days, 60))
    ).sign(key, SHA256())
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    path.chmod(0o644)
    assert certificate(path, "certificate").state == state
    https = Settings(data_dir=tmp_path, tls_certificate=str(path), tls_key=str(path))
    said = {one.about: one.state for one in machine.findings(https)}
    assert said["certificate of HTTPS"] == state
    assert said["HEALIX_TLS_KEY"] == "problem"  # others may read it
    path.write_text("none")
    assert certificate(path, "certificate").state == "problem"


def test_connections_of_a_web_worker() -> None:
    """Counted with what a web worker opens."""
    assert rows.WEB_CONNECTIONS == POOL
