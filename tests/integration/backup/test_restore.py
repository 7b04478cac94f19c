"""A server under load, its backup, and the server that is restored from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.kernel import embedded
from healix_fhir.server import migrate
from tests.support import forked
from tests.support.dicom import ct, uid
from tests.support.resources import patient
from tests.support.serve import environment, serving, wait_until
from tests.support.stow import HEADERS, body

STUDIES = "/dicomweb/studies"
SCOPE = "system/*.cruds"
ACCEPT = {"Accept": 'multipart/related; type="application/dicom"'}
BEFORE = 5


@dataclass
class Ledger:
    """What was acknowledged: versions of resources by their id, and instances as they were sent."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Load:
    """Two clients that write all the time, and what they were told is stored."""

    url: str
    token: str
    ledger: Ledger = field(default_factory=Ledger)
    stop: Event = field(default_factory=Event)

    def client(self) -> httpx.Client:
        """A client with the token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)

    def resources(self) -> None:
        """Patients, each with an Observation in one transaction."""
        with self.client() as client:
            number = 0
            while not self.stop.is_set():
                number += 1
                made = client.put(f"/fhir/Patient/p{number}", json=patient(id=f"p{number}")).raise_for_status()
                self.ledger.resources[f"Patient/p{number}"] = made.json()

    def images(self) -> None:
        """Studies of one image."""
        with self.client() as client:
            number = 0
            while not self.stop.is_set():
                number += 1
                file = ct(number, 1, 1, size=64)
                client.post(STUDIES, content=body([file]), headers=HEADERS).raise_for_status()
                self.ledger.instances[uid(number, 1, 1)] = file


@dataclass(frozen=True)
class Backup:
    """A backup, what had been acknowledged when it began, and the key that it is encrypted with."""

    place: Path
    before: Ledger
    key: Path
    made: dict[str, Any]


def command(data_dir: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a command on a data directory with these settings."""
    words = (*arguments, "--data-dir", str(data_dir))
    return forked.run(words, stdin="", env=environment(**settings), cwd=data_dir.parent, timeout=120)


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory, set_up: Callable[[str], Path]) -> Backup:
    """An encrypted backup that is taken while two clients write."""
    root = tmp_path_factory.mktemp("backup")
    key = root / "key"
    key.write_bytes(os.urandom(32))
    data_dir = set_up("saved")
    with serving(data_dir, "--workers", "1") as server:
        load = Load(server.url, server.token(SCOPE))
        threads = [Thread(target=work) for work in (load.resources, load.images)]
        for thread in threads:
            thread.start()
        wait_until(lambda: min(len(load.ledger.resources), len(load.ledger.instances)) >= BEFORE, "writes")
        before = Ledger(dict(load.ledger.resources), dict(load.ledger.instances))
        done = command(data_dir, "backup", "--to", str(root / "b.healix"), backup_key_file=key)
        load.stop.set()
        for thread in threads:
            thread.join()
        assert done.returncode == 0, done.stderr
    return Backup(root / "b.healix", before, key, json.loads(done.stdout))


@pytest.fixture(scope="module")
def restored(backup: Backup, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a restore that was killed after it had begun, and then done again."""
    data_dir = tmp_path_factory.mktemp("restored") / "data"
    server = embedded.start(data_dir)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (migrate.LOCK,))
        words = ("restore", str(backup.place), "--data-dir", str(data_dir))
        process = forked.begin(words, env=environment(backup_key_file=backup.key))
        wait_until(lambda: _marked(server.get_uri()), "the mark")
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.cleanup()
    refused = command(data_dir, "migrate")
    assert refused.returncode == 1
    assert "run `healix restore` again" in refused.stderr
    done = command(data_dir, "restore", str(backup.place), backup_key_file=backup.key)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == backup.made["images"]
    return data_dir


def _marked(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('restoring') IS NOT NULL").fetchone()
    return bool(row and row[0])


def test_what_was_acknowledged_is_there(backup: Backup, restored: Path) -> None:
    """Resources as they were told, images byte for byte with what refers to them; it takes new ones, too."""
    with serving(restored, "--workers", "1") as server, server.client(server.token(SCOPE)) as client:
        for reference, told in backup.before.resources.items():
            assert client.get(f"/fhir/{reference}").json() == told
        for instance in backup.before.instances:
            (found,) = client.get("/dicomweb/instances", params={"SOPInstanceUID": instance}).json()
            address = found["00081190"]["Value"][0].partition("/dicomweb")[2]
            answer = client.get(
                f"/dicomweb{address}", headers={"Accept": 'multipart/related; type="application/dicom"'}
            )
            assert backup.before.instances[instance][132:] in answer.content
        wait_until(
            lambda: (
                client.get("/fhir/ImagingStudy", params={"_summary": "count"}).json()["total"] == backup.made["images"]
            ),
            "the studies that the outbox still had",
        )
        assert client.post("/fhir/Patient", json=patient()).status_code == 201
        content = body([ct(9999, 1, 1, size=8)])
        assert client.post(STUDIES, content=content, headers=HEADERS).status_code == 200
    verified = command(restored, "audit", "verify")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["blocks"] > 0


def test_the_database_is_the_same(restored: Path) -> None:
    """All indexes, constraints and triggers are those of a new database, and the audit trail takes no change."""
    shape = """
        SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid::regclass::text !~ '^pg_' AND indisvalid
        UNION SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 0
        UNION SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"""
    fresh = restored.parent / "fresh"
    assert command(fresh, "migrate").returncode == 0
    shapes = []
    for data_dir in (restored, fresh):
        server = embedded.start(data_dir)
        with psycopg.connect(server.get_uri()) as connection:
            shapes.append(connection.execute(shape).fetchall())
        server.cleanup()
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 100


def test_refused(backup: Backup, restored: Path, tmp_path: Path) -> None:
    """Over a database that is there, without the key, and from what is no backup, each with its reason."""
    for data_dir, place, settings, reason in (
        (restored, backup.place, {"backup_key_file": backup.key}, "there is data already"),
        (tmp_path / "new", backup.place, {}, "is encrypted"),
        (tmp_path / "new", tmp_path / "none", {}, "there is no backup"),
    ):
        done = command(data_dir, "restore", str(place), **settings)
        assert (done.returncode, done.stdout, reason in done.stderr) == (1, "", True), done.stderr
    assert not (tmp_path / "new").exists()


def test_what_is_there_goes_only_for_what_is_whole(restored: Path, tmp_path: Path) -> None:
    """A damaged backup takes the place of nothing; a whole one does."""
    place = f"{tmp_path}/folder/"
    assert command(restored, "backup", "--to", place).returncode == 0
    (piece,) = tmp_path.glob("folder/backups/*/rows/resource.*")
    whole = piece.read_bytes()
    piece.write_bytes(whole[:-1])
    done = command(restored, "restore", place, "--overwrite")
    assert (done.returncode, "what is there stays" in done.stderr) == (1, True), done.stderr
    assert command(restored, "audit", "verify").returncode == 0
    piece.write_bytes(whole)
    assert command(restored, "restore", place, "--overwrite").returncode == 0


def test_a_backup_that_was_killed(restored: Path, tmp_path: Path) -> None:
    """It is told that it was cut off; the next one is whole."""
    server = embedded.start(restored)
    with psycopg.connect(server.get_uri()) as connection:
        connection.execute("LOCK TABLE study IN ACCESS EXCLUSIVE MODE")
        place = f"{tmp_path}/folder/"
        process = forked.begin(("backup", "--to", place, "--data-dir", str(restored)), env=environment())
        wait_until(lambda: list(tmp_path.glob("folder/backups/*/rows/series.1")), "rows of the table before")
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.cleanup()
    cut = command(restored, "backup", "--verify", place)
    assert (cut.returncode, "was cut off" in cut.stderr) == (1, True)
    assert command(restored, "backup", "--to", place).returncode == 0
    assert command(restored, "backup", "--verify", place).returncode == 0
