"""`healix doctor`: one page of findings."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec
import psycopg
import typer

from healix_fhir.kernel.settings import Settings
from healix_fhir.server.cli.console import DataDir, answer, configured
from healix_fhir.server.doctor.finding import Finding, State, problem
from healix_fhir.server.reasons import reasons

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}
CONNECT = 5


def doctor_command(data_dir: DataDir = None) -> None:
    """Look at database, standbys, disk, clocks, certificates, queues and permissions; exits with 1 on a problem.

    Changes nothing. Says nothing of patients, and no secret.
    """
    from healix_fhir.server.doctor import machine

    with reasons():
        settings = configured(data_dir=data_dir)
    found = [*_database(settings), *machine.findings(settings)]
    _show(found)
    worst = max(found, key=lambda one: list(State).index(one.state)).state
    answer({"state": worst, "findings": [msgspec.to_builtins(one) for one in found]})
    if worst is State.PROBLEM:
        raise typer.Exit(1)


def _database(settings: Settings) -> Iterator[Finding]:
    from healix_fhir.kernel import embedded
    from healix_fhir.server.doctor import replica, rows

    if not settings.database_url and not (settings.data_dir / "postgres" / "PG_VERSION").exists():
        yield problem("database", "there is none yet: run `healix serve`")
        return
    server = None if settings.database_url else embedded.start(settings.data_dir)
    url = settings.database_url if server is None else server.get_uri()
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT) as connection:
            yield from rows.findings(connection, settings)
            if settings.database_replica_url:
                yield from replica.findings(connection, settings.database_replica_url)
    except psycopg.Error as error:  # also of a URL that is none, with the password that it may hold in its text
        yield problem("database", f"does not answer ({type(error).__name__})")
    finally:
        if server is not None:
            server.cleanup()


def _show(found: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in found:
        table.add_row(Text(one.state, COLOURS[one.state]), Text(one.about), Text(one.says))
    Console(file=sys.stderr).print(table)
