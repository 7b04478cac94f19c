"""The schema and its migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from psycopg.errors import RaiseException
from sqlalchemy import Connection, create_engine, text

from dicomweb.workitem import indexing
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.server.migrate import SCRIPTS
from healix_fhir.server.schema import metadata

JOBS = "procrastinate"
OLDER = """INSERT INTO resource (type, id, version, updated, method, body)
  VALUES (1, 'a', 3, '2020-01-03 00:00Z', 'PUT', ''), (1, 'b', 2, '2020-01-09 00:00Z', 'PUT', '');
INSERT INTO resource_history (type, id, version, updated, deleted, method, body)
  VALUES (1, 'a', 1, '2020-01-01 00:00Z', false, 'POST', ''), (1, 'a', 2, '2020-01-02 00:00Z', true, 'DELETE', ''),
         (1, 'b', 1, '2020-01-05 00:00Z', false, 'POST', '')"""
"""Two resources with their past, as the schema before migration 0003 holds them."""

SEVERAL = """WITH made AS (
  INSERT INTO resource (type, id, version, updated, method, body)
  VALUES (%(type)s, 'a', 1, now(), 'PUT', '') RETURNING pk)
INSERT INTO compartment (pat, pk) SELECT pat, pk FROM made, unnest(%(patients)s::bigint[]) pat"""
"""A resource with further patients, as the schema before migration 0030 holds it."""


def test_migrations_make_what_the_rooms_declare(database_url: str) -> None:
    """The migrated database differs from the declared tables in nothing."""

    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind == "table" and (name or "").startswith(JOBS))

    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_event SET action = 'R'", "DELETE FROM audit_event", "TRUNCATE audit_event"]
)
def test_audit_trail_is_append_only(database_url: str, statement: str) -> None:
    """The database itself refuses to change or remove audit rows."""
    with psycopg.connect(database_url) as connection, pytest.raises(RaiseException, match="append-only"):
        connection.execute(statement)


@pytest.fixture
def older(postgres_url: str) -> Iterator[tuple[Connection, Callable[[str], None]]]:
    """A connection to an empty database, and what brings its schema to a revision."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
    url = postgres_url.replace("/postgres?", "/older?")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as opened:
        config.attributes["connection"] = opened
        yield opened, lambda revision: command.upgrade(config, revision)
    engine.dispose()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE older WITH (FORCE)")


def test_history_that_is_there_gets_its_ends_and_keys(older: tuple[Connection, Callable[[str], None]]) -> None:
    """Migration 0003 tells of each earlier version when the next took its place, and of which resource it is."""
    connection, upgrade = older
    upgrade("0002")
    connection.exec_driver_sql(OLDER)
    upgrade("0003")
    found = connection.exec_driver_sql(
        "SELECT h.id, h.version, extract(day FROM h.until AT TIME ZONE 'UTC'), h.pk = r.pk"
        " FROM resource_history h JOIN resource r USING (type, id) ORDER BY h.id, h.version"
    ).fetchall()
    assert [(id_, version, int(day), same) for id_, version, day, same in found] == [
        ("a", 1, 2, True), ("a", 2, 3, True), ("b", 1, 9, True),
    ]  # fmt: skip


def test_studies_that_are_there_get_their_resources(older: tuple[Connection, Callable[[str], None]]) -> None:
    """Migration 0029 tells each study which ImagingStudy the server made of it, however many there are."""
    connection, upgrade = older
    upgrade("0028")
    uids = [f"1.2.{number}" for number in range(10_002)]
    made = {imaging_study_id(uid): uid for uid in (uids[0], uids[-1])}
    connection.execute(text("INSERT INTO study (study_uid) SELECT unnest(CAST(:uids AS text[]))"), {"uids": uids})
    for number, id_ in (
        (1, "other"),
        (TYPE_ID["ImagingStudy"], "other"),
        *((TYPE_ID["ImagingStudy"], i) for i in made),
    ):
        connection.execute(
            text(
                "INSERT INTO resource (type, id, version, updated, method, body) VALUES (:t, :i, 1, now(), 'PUT', '')"
            ),
            {"t": number, "i": id_},
        )
    upgrade("0029")
    found = connection.exec_driver_sql(
        "SELECT r.id, s.study_uid FROM study s JOIN resource r ON r.pk = s.imaging_study"
    ).fetchall()
    assert {row[0]: row[1] for row in found} == made


def test_types_with_resources_of_several_patients_are_known(older: tuple[Connection, Callable[[str], None]]) -> None:
    """Migration 0030 finds the types of which resources are in several compartments, and only those."""
    connection, upgrade = older
    upgrade("0029")
    for type_name in ("Observation", "Task"):
        connection.exec_driver_sql(SEVERAL, {"type": TYPE_ID[type_name], "patients": [1, 2]})
    connection.exec_driver_sql(SEVERAL, {"type": TYPE_ID["Condition"], "patients": []})
    upgrade("0030")
    found = connection.exec_driver_sql("SELECT type FROM several_compartments ORDER BY type").fetchall()
    assert [name for (name,) in found] == ["Observation", "Task"]


CLIENT = (
    """INSERT INTO client (id, name, auth, scope, redirect_uris, grants) VALUES (%(id)s, 'x', 'none', '', '{}', '{}')"""
)
MADE = """INSERT INTO audit_event (action, subtype, outcome, client, account, entity)
  VALUES ('C', 'client', 0, %(client)s, %(account)s, %(entity)s)"""


def test_apps_that_registered_themselves_are_told_apart(older: tuple[Connection, Callable[[str], None]]) -> None:
    """Migration 0053 finds them in the trail, and has what states care relationships looked at once more."""
    connection, upgrade = older
    upgrade("0052")
    for id_, client, account in (("itself", "itself", None), ("cli", "operator", None), ("admin", None, "root")):
        connection.exec_driver_sql(CLIENT, {"id": id_})
        connection.exec_driver_sql(MADE, {"client": client, "account": account, "entity": f"client/{id_}"})
    for pat in (1, 2):
        connection.exec_driver_sql(
            "INSERT INTO care_relationship (practitioner, pat, source) VALUES ('d', %(pat)s, 'CareTeam/a')",
            {"pat": pat},
        )
    upgrade("0053")
    found = connection.exec_driver_sql("SELECT id FROM client WHERE NOT vouched").fetchall()
    assert [id_ for (id_,) in found] == ["itself"]
    events = connection.exec_driver_sql("SELECT topic, convert_from(payload, 'UTF8')::json FROM outbox").fetchall()
    assert [tuple(row) for row in events] == [("membership", {"type": "CareTeam", "id": "a"})]


def test_workitems_that_are_there_are_indexed_by_a_job(older: tuple[Connection, Callable[[str], None]]) -> None:
    """Migration 0075 asks for it where there are any."""
    connection, upgrade = older
    upgrade("0074")
    connection.exec_driver_sql(
        """INSERT INTO workitem (uid, patient_id, issuer, state, scheduled, dataset)
           VALUES ('1.2', '', '', 'SCHEDULED', '', '{}')"""
    )
    upgrade("0075")
    jobs = connection.exec_driver_sql("SELECT task_name, args FROM procrastinate_jobs").fetchall()
    assert [tuple(job) for job in jobs] == [(indexing.TASK, {})]
