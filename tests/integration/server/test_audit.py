"""`healix audit verify` as its operator runs it, on a database that somebody has changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg

from healix_fhir.kernel.audit_anchors import NAME, read
from healix_fhir.kernel.audit_sealing import Sealing
from tests.support import forked
from tests.support.audit import intruder, written
from tests.support.serve import PATIENCE, Served, environment, healix, wait_until


def verify(data_dir: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the database at `url`."""
    words = ("audit", "verify", "--data-dir", str(data_dir), *options)
    return forked.run(words, stdin="", env=environment(database_url=url), cwd=data_dir, timeout=PATIENCE)


def test_verify_says_what_was_tampered_with(database_url: str, tmp_path: Path) -> None:
    """A whole trail exits with 0; a changed one with 1, one JSON object and one line that names the row."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        written(connection, 20, sealed=False)
        Sealing(tmp_path)(connection)
    done = verify(tmp_path, database_url)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["blocks"], answer["anchors"], answer["problems"]) == (20, 1, 1, [])
    with intruder(database_url) as hidden:
        hidden.execute("UPDATE audit_event SET account = 'someone else' WHERE seq IN (7, 9)")
    done = verify(tmp_path, database_url)
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"][0] == {"what": "was changed", "block": 1, "seq": 7}
    assert done.stderr.splitlines()[-1] == "healix: the audit trail was tampered with: row 7 was changed (and 1 more)"


def test_verify_compares_with_anchors_kept_elsewhere(database_url: str, tmp_path: Path) -> None:
    """Anchors of another node or a safe place count when the data directory's own are gone."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with psycopg.connect(database_url, autocommit=True) as connection:
        written(connection, 3, sealed=False)
        Sealing(elsewhere)(connection)
    with intruder(database_url) as hidden:
        hidden.execute("DELETE FROM audit_event; DELETE FROM audit_block")
    assert verify(tmp_path, database_url).returncode == 0
    done = verify(tmp_path, database_url, "--anchors", str(elsewhere / NAME))
    assert done.returncode == 1
    assert "block 1 is anchored, but not there" in done.stderr
    missing = verify(tmp_path, database_url, "--anchors", str(elsewhere / "none"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.splitlines()[-1].startswith("healix: there is no file")


def test_a_running_server_seals_its_trail(served: Served) -> None:
    """What a running server has done is sealed and anchored without anybody's doing, and verifies."""
    with served.client(served.token("system/*.rs")) as client:
        assert client.get("/fhir/Patient/demo-jonas").status_code == 200
    wait_until(lambda: list(read(served.data_dir / NAME)), "an anchor")
    done = healix(served.data_dir, "audit", "verify")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] > 0
