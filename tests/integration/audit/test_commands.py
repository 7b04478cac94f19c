"""What the operator does at the command line is in the audit trail, as the operator's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from dicomweb.errand.queue import Kind, Wanted, ask, waiting
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import one as one_of
from healix_fhir.kernel.database import run
from healix_fhir.server.cli.main import app
from smart_auth.access import AccessContext
from smart_auth.break_glass import DEFAULT, break_glass
from smart_auth.scope import parse
from tests.support.attacks.names import filled
from tests.support.commands import RUNS, Run
from tests.support.dicom import ct, uid
from tests.support.packages import archive
from tests.support.resources import patient
from tests.support.storage_peers import having

Told = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def told(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Told]:
    """For each command what was recorded and what should have been, all run one after the other."""
    directory = tmp_path_factory.mktemp("commands")
    folder = directory / "source"
    folder.mkdir()
    bundle = folder / "bundle.json"
    (folder / "image.dcm").write_bytes(ct(5, 1, 1, size=8))
    entry = {"resource": patient(id="ada"), "request": {"method": "PUT", "url": "Patient/ada"}}
    bundle.write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}))
    names = {"folder": str(folder), "study": uid(5), "package": str(archive(directory / "package.tgz"))}
    names["codes"] = str(directory / "codes.csv")
    Path(names["codes"]).write_text("code,display\na,A\n")
    names["interactions"] = str(directory / "interactions.csv")
    Path(names["interactions"]).write_text(
        "a_system,a_code,a_name,b_system,b_code,b_name,severity\nurn:x,1,a,urn:x,2,b,high\n"
    )
    names["export"] = str(directory / "export")
    names["backup"] = str(directory / "backup")
    names["readings"] = str(directory / "export.xml")
    Path(names["readings"]).write_text("<HealthData></HealthData>")
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        clinician = AccessContext(parse("user/*.rs"), Origin("ehr", "doc"), practitioner="d")
        run(connection, one_of(ask([Wanted(Kind.COMMITMENT, "CT1", "7")])))
        names["errand"] = str(run(connection, waiting(everything=False))[0].seq)
        names["opening"] = run(connection, break_glass(clinician, "ada", "unconscious", DEFAULT)).id
        conflict = "INSERT INTO sync_conflict (upstream, type, id, version, refused, reason) VALUES"
        connection.execute(f"{conflict} ('up', 'Patient', 'ada', 1, false, '')")
        with having([]) as peer:
            names["port"] = str(peer.remote.port)
            return {one.command: _run(one, names, connection, directory) for one in RUNS}


def _run(one: Run, names: dict[str, str], connection: psycopg.Connection[Any], directory: Path) -> Told:
    mark = _rows(connection, 0)[-1][0]
    line = [filled(word, names) for word in one.line.split()] + ["--data-dir", str(directory)]
    env = {"HEALIX_DATABASE_URL": connection.info.dsn + f" password={connection.info.password or ''}"}
    done = CliRunner().invoke(app, line, input=one.stdin, env=env)
    assert done.exit_code == 0, (line, done.stderr, done.exception)
    answer = json.loads(done.stdout)
    names |= {name: str(answer[key]) for key, name in (one.keeps or {}).items()}
    rows = [row[1:] for row in _rows(connection, mark) if row[4] != "import" and not row[4].startswith("research/")]
    return rows, [(*filled(row, names), "healix-cli", None) for row in one.rows]


def _rows(connection: psycopg.Connection[Any], after: int) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT seq, action, subtype, entity, client, account FROM audit_event WHERE seq > %s ORDER BY seq", (after,)
    ).fetchall()


@pytest.mark.parametrize("command", [one.command for one in RUNS])
def test_each_command_is_recorded(told: Mapping[str, Told], command: str) -> None:
    """The agent is the operator at the command line, whoever the command is about; that is what the row names."""
    recorded, expected = told[command]
    assert recorded == expected
