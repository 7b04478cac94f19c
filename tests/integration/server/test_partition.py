"""A database whose tables are hash partitions answers as it did, and the way there loses nothing."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg import Connection
from psycopg.errors import RaiseException, UniqueViolation
from sqlalchemy import create_engine
from typer.testing import CliRunner

from dicomweb.archive.opening import open_archive
from healix_fhir.interaction.result import Written
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Row, Statement, Work, open_pool, transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.settings import Settings
from healix_fhir.model.json import encode
from healix_fhir.search.reindex import VERSION, reindexed
from healix_fhir.server.backup.manifest import load
from healix_fhir.server.backup.restoring import restore
from healix_fhir.server.cli.main import app
from healix_fhir.server.importing.journal import run_of
from healix_fhir.server.importing.run import run
from healix_fhir.server.importing.sources import find
from healix_fhir.server.migrate import migrate
from healix_fhir.server.partition import convert
from healix_fhir.server.partition.parts import DIVIDED, TABLES
from healix_fhir.server.partition.statistics import refresh
from healix_fhir.store import expunge
from healix_fhir.store.read import Ask, read_each, vread
from healix_fhir.store.reindexing import begin
from tests.support.backup import QUIET, pieces_at, taken
from tests.support.fhir_server import SYSTEM, do, serve
from tests.support.ndjson import CHART, write_charts
from tests.support.partitioned import partition
from tests.support.resources import UCUM
from tests.support.search import EVERYONE, Clinic

PARTS = 4
PATIENTS = 12
Json = dict[str, Any]


def _patient(n: int) -> Json:
    return {
        "resourceType": "Patient", "id": f"p{n}", "name": [{"family": f"Family{n}"}],
        "birthDate": f"19{50 + n % 50}-01-01",
        "generalPractitioner": [{"reference": f"Practitioner/d{n % 3}"}],
    }  # fmt: skip


def _observation(n: int, patient: int) -> Json:
    return {
        "resourceType": "Observation", "id": f"o{n}", "status": "final",
        "subject": {"reference": f"Patient/p{patient}"},
        "code": {"coding": [{"system": "urn:c", "code": f"c{n % 3}"}], "text": f"pulse {n}"},
        "effectiveDateTime": f"2024-01-{n % 28 + 1:02}", "valueQuantity": {"value": n, "system": UCUM, "code": "kg"},
        "contained": [{"resourceType": "Device", "id": "x", "deviceName": [{"name": f"n{n}", "type": "other"}]}],
    }  # fmt: skip


def _others(n: int) -> tuple[Json, ...]:
    about = {"reference": f"Patient/p{n}"}
    return (
        {"resourceType": "Practitioner", "id": f"d{n}", "name": [{"family": f"Doctor{n}"}]},
        {"resourceType": "Location", "id": f"l{n}", "position": {"latitude": 48 + n, "longitude": 16}},
        {"resourceType": "Condition", "id": f"k{n}", "subject": about, "recordedDate": f"2020-05-{n + 1:02}"},
        {"resourceType": "Group", "id": f"g{n}", "type": "person", "actual": True,
         "member": [{"entity": about}, {"entity": {"reference": f"Patient/p{n + 1}"}}]},
        {"resourceType": "RiskAssessment", "id": f"r{n}", "status": "final", "subject": about,
         "prediction": [{"probabilityDecimal": n / 10}]},
        {"resourceType": "ValueSet", "id": f"v{n}", "status": "active", "url": f"http://v.test/{n}"},
    )  # fmt: skip


QUERIES = (
    "Observation?code=urn:c|c1", "Observation?patient=p1&code=c1&_sort=-date",
    f"Observation?value-quantity=gt5000|{UCUM}|g",
    "Observation?code-value-quantity=c1$7", "Observation?_content=pulse", "Observation?code:text=pulse",
    "Observation?subject:Patient.family=family1", "Patient?_has:Group:member:_id=g1",
    "Device?_contained=true&device-name=n4",
    "Patient?family:contains=mily1", "Patient?birthdate=lt1955", "Patient?_has:Observation:patient:code=c2",
    "Patient?_sort=-family", "Patient?_sort=birthdate&_count=3", "Patient?general-practitioner=Practitioner/d1",
    "Patient?name:missing=false", "Patient/p2/Observation?_count=2", "Patient/p1/*", "Group?member=p1",
    "Practitioner?name=doctor", "Location?near=49|16|1|km", "Condition?recorded-date=ge2020-05-02",
    "RiskAssessment?probability=0.1", "ValueSet?url:below=http://v.test", "?_type=Patient,Observation&_count=7",
    "Observation?_lastUpdated=gt2000&_sort=_lastUpdated", "Observation?_id=o1,o2", "Observation?date=2024-01-05",
)  # fmt: skip
INCLUDING = (
    "Observation?code=c1&_include=Observation:subject&_include:iterate=Patient:general-practitioner",
    "Patient?_id=p3&_revinclude=Observation:patient",
)


def _answers(clinic: Clinic) -> dict[str, object]:
    """What everybody finds, and what the app of one patient does."""
    own = clinic.looked(clinic.access("patient/*.rs", patient="p1"))
    found: dict[str, object] = {}
    for who, access in (("all", EVERYONE), ("own", own)):
        for query in QUERIES:
            found[f"{who} {query}"] = clinic.ids(query, access)
        for query in INCLUDING:
            page = clinic.page(query, access)
            found[f"{who} {query}"] = sorted((hit.mode, hit.type, hit.id) for hit in page.entries)
    return found


def _fill(clinic: Clinic) -> None:
    clinic.put(*(_patient(n) for n in range(PATIENTS)), *(one for n in range(3) for one in _others(n)))
    clinic.put(*(_observation(n, n % PATIENTS) for n in range(60)))
    clinic.put({**_patient(5), "active": True})
    clinic.delete("Observation", "o59")


@pytest.fixture(scope="module")
def url(module_database_url: str) -> str:
    """A database with resources of every kind of parameter."""
    with open_pool(module_database_url, size=1) as pool:
        _fill(Clinic(pool))
    return module_database_url


@pytest.fixture(scope="module")
def found(url: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What is found in whole tables, and in the parts that are made of them."""
    with open_pool(url, size=1) as pool:
        whole = _answers(Clinic(pool))
    partition(url, PARTS, pages=1)
    with open_pool(url, size=1) as pool:
        return whole, _answers(Clinic(pool))


@pytest.fixture
def divided(url: str, found: object) -> Iterator[Clinic]:
    """The store, divided."""
    assert found is not None
    with open_pool(url, size=2) as pool:
        yield Clinic(pool)


def _counts(connection: Connection[Row]) -> list[int]:
    rows = (connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for name in TABLES)
    return [row[0] for row in rows if row]


def test_the_same_is_found(found: tuple[Mapping[str, object], Mapping[str, object]]) -> None:
    """By every type of parameter, in the same order, with the same includes; a patient's app sees the same part."""
    whole, parts = found
    assert parts == whole
    assert [query for query in QUERIES if not whole[f"all {query}"]] == []
    assert whole["own Observation?code=urn:c|c1"] != whole["all Observation?code=urn:c|c1"]


def test_a_record_is_one_part(divided: Clinic) -> None:
    """Who searches within one record reads one part of the index; a point read looks into one of each row's parts."""
    own = divided.looked(divided.access("patient/*.rs", patient="p1"))
    plan = divided.explain("Observation?code=c1&_count=5", own)
    assert len(set(re.findall(r" on index_token_\d", plan))) == 1, plan
    with divided.pool.connection() as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute("PREPARE one AS SELECT FROM index_token WHERE pat = $1 AND h = $2")
        found = connection.execute("EXPLAIN (COSTS OFF) EXECUTE one (1, 2)").fetchall()
        connection.execute("RESET plan_cache_mode")
    assert f"Subplans Removed: {PARTS - 1}" in "\n".join(line for (line,) in found)


def _plans(clinic: Clinic, make: Callable[[], Work[object]]) -> str:
    """The plans, with run-time figures, of all statements of a use case that looks up."""
    told: list[str] = []

    def explained() -> Work[None]:
        work = make()
        try:
            statement = next(work)
            while True:
                rows = yield Statement(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement.sql}", statement.params)
                told.extend(line for (line,) in rows if "never executed" not in line)
                rows = yield statement
                statement = work.send(rows)
        except StopIteration:
            return

    transaction(clinic.pool, explained)
    return "\n".join(told)


def _parts(plan: str, table: str) -> int:
    """How many parts of a table are looked into."""
    return len(set(re.findall(rf" on {table}_\d+", plan)))


def test_what_is_known_tells_the_part(divided: Clinic) -> None:
    """An earlier version is in one part of the history, a resource by its key in one, and what has no patient in one
    part of the index; what is newest in a record is read without the index.
    """
    plan = _plans(divided, lambda: vread(EVERYONE, "Observation", "o1", 1))
    assert _parts(plan, "resource_history") == 1, plan
    own = divided.looked(divided.access("patient/*.rs", patient="p1"))
    for query, parts in (("Observation?code=c1&_count=3", 1), ("Patient/p1/Observation?_count=3", 0)):
        plan = divided.explain(query, own)
        ran = "\n".join(line for line in plan.splitlines() if "never executed" not in line)
        assert (_parts(ran, "index_token"), _parts(ran, "index_reference")) == (parts, 0), plan
    looks = ("SELECT FROM index_string WHERE pat IS NULL AND param = $1", "SELECT FROM resource WHERE pk = $1")
    with divided.pool.connection() as connection:
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for look in looks:
            connection.execute(f"PREPARE one AS {look}".encode())
            plan = "\n".join(line for (line,) in connection.execute("EXPLAIN (ANALYZE, COSTS OFF) EXECUTE one (1)"))
            connection.execute("DEALLOCATE one")
            ran = "\n".join(line for line in plan.splitlines() if "never executed" not in line)
            assert _parts(ran, look.split()[2]) == 1, plan


def test_statistics_of_the_whole(divided: Clinic) -> None:
    """They are made by a job each night, as PostgreSQL makes none."""
    with divided.pool.connection() as connection:
        assert refresh(connection) == [table.name for table in DIVIDED]
    known = divided.run("SELECT reltuples > 0 FROM pg_class WHERE oid = 'index_token'::regclass")
    assert known == [(True,)]


def test_resources_change_as_before(divided: Clinic) -> None:
    """Created, updated, moved to another patient, read in each version, deleted and taken out for good."""
    divided.put(_observation(100, 1))
    divided.put(_observation(100, 2))
    own = divided.access("patient/*.rs", patient="p2")
    assert divided.ids("Observation?_id=o100", own) == ["o100"]
    assert divided.ids("Observation?_id=o100", divided.access("patient/*.rs", patient="p1")) == []
    divided.delete("Observation", "o100")
    (gone,) = do(divided.pool, lambda: read_each([Ask(SYSTEM, "Observation", "o100")]))
    assert isinstance(gone, HealixError)
    extent = expunge.Extent(("Observation",), "o100")
    assert do(divided.pool, lambda: expunge.of_deleted(extent, 10)) == 2
    assert [row.entity for row in do(divided.pool, lambda: expunge.rows(extent, 10))] == ["Observation/o100"]
    assert divided.run("SELECT FROM resource_id WHERE id = 'o100'") == []
    divided.put(_observation(100, 1))  # its logical id is free again
    assert divided.run("SELECT version FROM resource WHERE id = 'o100'") == [(1,)]


def test_a_logical_id_is_given_once(divided: Clinic, url: str) -> None:
    """Twenty who create the same resource at once, through several servers, make versions of one."""

    async def use(server: Interactions) -> list[Written]:
        others = [Interactions(server.pool, server.bases) for _ in range(4)]
        body = [_patient(77) | {"multipleBirthInteger": n} for n in range(20)]
        sent = (others[n % 4].update(SYSTEM, "Patient", "p77", encode(body[n])) for n in range(20))
        return list(await asyncio.gather(*sent))

    assert sorted(written.stored.version for written in serve(url, use)) == list(range(1, 21))
    assert divided.run("SELECT count(*) FROM resource WHERE id = 'p77'") == [(1,)]
    with pytest.raises(UniqueViolation):
        divided.run("INSERT INTO resource (type, id, version, updated, method, body) SELECT type, id, 1, now(), '', ''"
                    " FROM resource WHERE id = 'p77'")  # fmt: skip


def test_the_ids_of_an_emptied_table_are_free(divided: Clinic) -> None:
    """Who truncates resources truncates the directory."""
    with divided.pool.connection() as connection, connection.transaction(force_rollback=True):
        connection.execute("TRUNCATE resource")
        assert connection.execute("SELECT count(*) FROM resource_id").fetchone() == (0,)


def test_import_and_reindex(divided: Clinic, url: str, tmp_path: Path) -> None:
    """Charts are imported, and the index is written anew, as into whole tables."""
    path = tmp_path / "charts.ndjson"
    write_charts(path, 3)
    settings = Settings(data_dir=tmp_path, database_url=url)
    told = run(settings, divided.pool, find([path]).sources, lambda _: None, processes=1, name=run_of([path])).as_json()
    assert (told["resources"], told["refused"]) == (3 * CHART, 0)
    before = divided.ids("Patient?_sort=family")
    asked = do(divided.pool, lambda: begin(VERSION))
    *_, last = reindexed(divided.pool, asked.id, (str(settings.fhir_base),))
    assert last.done == last.total
    assert divided.ids("Patient?_sort=family") == before


@pytest.mark.usefixtures("divided")
def test_later_migrations(url: str) -> None:
    """A migration adds columns and exchanges indexes as of whole tables."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.execute("ALTER TABLE resource ADD COLUMN later integer NOT NULL DEFAULT 7")
        op.drop_index("index_token_pk", "index_token")
        op.create_index("index_token_pk", "index_token", ["pk", "h"])
        found = connection.exec_driver_sql("SELECT DISTINCT later FROM resource").fetchall()
        connection.rollback()
    engine.dispose()
    assert [tuple(row) for row in found] == [(7,)]


def test_a_backup_is_restored_into_whole_tables(divided: Clinic, url: str, postgres_url: str, tmp_path: Path) -> None:
    """A table of parts is one table in the backup."""
    archive = open_archive(Settings(data_dir=tmp_path / "data"))
    pieces = pieces_at(tmp_path / "backup.healix")
    taken(url, archive, pieces)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE unpartitioned")
    other = postgres_url.replace("/postgres?", "/unpartitioned?")
    restore(
        Settings(database_url=other, data_dir=tmp_path / "other"), pieces, load(pieces, None), QUIET, overwrite=False
    )
    with psycopg.connect(url) as here, psycopg.connect(other) as there:
        assert (convert.divided(here), convert.divided(there)) == (PARTS, 0)
        assert _counts(here) == _counts(there)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE unpartitioned WITH (FORCE)")
    assert divided.ids("Patient?_id=p1") == ["p1"]


STEPWISE = """
import sys, psycopg
from healix_fhir.server.partition import convert
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    convert.prepare(connection, 3)
    for step in convert.convert(connection, pages=1):
        print(step.what, flush=True)
        sys.stdin.readline()
"""
"""A conversion that waits for a line after each step."""


def _killed_after(url: str, steps: int) -> None:
    """Begin or go on, and be killed within the step after so many."""
    with subprocess.Popen(
        [sys.executable, "-c", STEPWISE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(steps):
            assert process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
        process.kill()


def _alone(connection: Connection[Row]) -> None:
    """Wait until nobody else, such as the session of one who was killed, is connected."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def _command(url: str, data_dir: Path, *options: str) -> Json:
    """The answer of `healix partition`."""
    told = CliRunner().invoke(
        app, ["partition", "--data-dir", str(data_dir), *options], env={"HEALIX_DATABASE_URL": url}
    )
    assert told.exit_code == 0, told.stderr
    answer: Json = json.loads(told.stdout)
    return answer


def _recorded(connection: Connection[Row]) -> list[Row]:
    return connection.execute("SELECT action, query FROM audit_event WHERE subtype = 'command'").fetchall()


def test_killed_and_begun_again(database_url: str, tmp_path: Path) -> None:
    """Killed while it copies, makes indexes or compares, it goes on; meanwhile nobody writes and no server starts."""
    with open_pool(database_url, size=1) as pool:
        _fill(Clinic(pool))
        found = _answers(Clinic(pool))
    for steps in (3, 30):
        _killed_after(database_url, steps)
        with pytest.raises(HealixError, match="run `healix partition` again"):
            migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        _alone(connection)
        counted = _counts(connection)
        with pytest.raises(RaiseException, match="being partitioned"):
            connection.execute("DELETE FROM index_token")
        with pytest.raises(HealixError, match="begun with 3 parts"):
            convert.prepare(connection, 4)
    told = _command(database_url, tmp_path, "--parts", "3")
    assert (told["parts"], told["rows"]["resource"]) == (3, counted[0])
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert (_counts(connection), convert.divided(connection)) == (counted, 3)
        assert _recorded(connection) == [("E", "partition --parts 3")]
        with pytest.raises(HealixError, match="3 parts already"):
            convert.prepare(connection, 3)
    with open_pool(database_url, size=1) as pool:
        assert _answers(Clinic(pool)) == found


def test_given_up(database_url: str, tmp_path: Path) -> None:
    """What was begun can be taken away; a lost row keeps the tables as they are; others have to leave first."""
    with open_pool(database_url, size=1) as pool:
        _fill(Clinic(pool))
    with psycopg.connect(database_url, autocommit=True) as connection:
        with psycopg.connect(database_url), pytest.raises(HealixError, match="in use by 1 connections"):
            convert.prepare(connection, 2)
        _alone(connection)
        convert.prepare(connection, 2)
        before = _counts(connection)
        steps = convert.convert(connection)
        assert any(step.what == "statistics of index_token" for step in steps)  # all is copied
        connection.execute("UPDATE partitioning.index_token SET h = h + 1 WHERE pk = (SELECT min(pk) FROM index_token)")
        with pytest.raises(HealixError, match="have not the rows of the table"):
            list(steps)
    assert _command(database_url, tmp_path, "--abandon")["parts"] == 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert _recorded(connection) == [("E", "partition --abandon")]
        assert (convert.divided(connection), _counts(connection)) == (0, before)
        with pytest.raises(HealixError, match="nothing is under way"):
            convert.abandon(connection)
    with open_pool(database_url, size=1) as pool:
        Clinic(pool).put(_patient(1))
