"""The command `healix`."""

from __future__ import annotations

from typing import Annotated

import typer

from healix_fhir.server.cli import (
    accounts,
    audit,
    backups,
    check,
    clients,
    data,
    doctor,
    emergencies,
    errands,
    fhirpath,
    interactions,
    keys,
    known,
    launches,
    measurements,
    packages,
    partition,
    peer_calls,
    peers,
    prefetches,
    registered,
    relabel,
    research,
    retention,
    routes,
    studies,
    sync,
    terminology,
    viewer,
    worklist,
)
from healix_fhir.server.cli.console import DataDir, configured
from healix_fhir.server.reasons import reasons

app = typer.Typer(
    help="Healix: FHIR R4, SMART on FHIR, DICOMweb and DIMSE over one store.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
accounts.users.add_typer(known.app)  # without a name: its commands stand beside those of accounts
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.tokens, name="token")
clients.app.add_typer(registered.app)  # without a name: its commands stand beside those of clients
app.add_typer(clients.app, name="client")
app.add_typer(audit.app, name="audit")
app.add_typer(emergencies.app, name="break-glass")
app.add_typer(errands.app, name="errand")
app.add_typer(keys.app, name="keys")
app.add_typer(launches.app, name="launch")
app.add_typer(measurements.app, name="measurements")
app.add_typer(packages.app, name="package")
peers.app.add_typer(peer_calls.app)  # without a name: its commands stand beside those of peers
app.add_typer(peers.app, name="peer")
app.add_typer(prefetches.app, name="prefetch")
app.add_typer(research.app, name="research")
app.add_typer(retention.app, name="retention")
app.add_typer(routes.app, name="route")
studies.app.add_typer(relabel.app)  # without a name: its commands stand beside those of studies
app.add_typer(studies.app, name="study")
app.add_typer(sync.app, name="sync")
app.add_typer(terminology.app, name="terminology")
app.add_typer(interactions.app, name="interactions")
app.add_typer(viewer.app, name="viewer")
app.add_typer(worklist.app, name="worklist")
app.command("backup")(backups.backup_command)
app.command("restore")(backups.restore_command)
app.command("check")(check.check_command)
app.command("doctor")(doctor.doctor_command)
app.command("import")(data.import_command)
app.command("reindex")(data.reindex_command)
app.command("partition")(partition.partition_command)
app.command("fhirpath")(fhirpath.fhirpath_command)

Host = Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="HTTP port (default 8080).")]
DimsePort = Annotated[int | None, typer.Option(help="DIMSE port (default 11112).")]


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    dimse_port: DimsePort = None,
    workers: Annotated[int | None, typer.Option(help="Web worker processes (default 2).")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load demo data; open DIMSE and registration.")] = False,
) -> None:
    """Run everything in the foreground: database, migrations, web workers, DIMSE SCP, job worker."""
    from healix_fhir.server.serve import serve as run

    with reasons():
        run(
            configured(
                data_dir=data_dir,
                host=host,
                port=port,
                dimse_port=dimse_port,
                workers=workers,
                dimse_unknown_callers="all" if demo else None,
                register_without_mail=True if demo else None,
            ),
            demo=demo,
        )


@app.command()
def web(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Run one web worker."""
    from healix_fhir.server.web import run

    with reasons():
        run(configured(data_dir=data_dir, host=host, port=port))


@app.command()
def dimse(data_dir: DataDir = None, host: Host = None, dimse_port: DimsePort = None) -> None:
    """Run the DIMSE SCP."""
    from healix_fhir.server.dimse import run

    with reasons():
        run(configured(data_dir=data_dir, host=host, dimse_port=dimse_port))


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run the job worker: outbox consumers and durable jobs."""
    from healix_fhir.server.worker import run

    with reasons():
        run(configured(data_dir=data_dir))


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema up to date."""
    from healix_fhir.server.cli.console import answer, database, recorded
    from healix_fhir.server.migrate import current

    with database(data_dir) as (_, pool):
        with pool.connection() as connection:
            version = current(connection)
        recorded(pool, "E", f"migrate: {version}")
        answer({"schema": version})


def main() -> None:
    """The entry point of the console script: what a command refuses by itself is a line, too."""
    with reasons():
        app()


if __name__ == "__main__":
    main()
