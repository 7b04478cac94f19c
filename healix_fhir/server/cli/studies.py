"""`healix study`: images deleted and restored, legal hold, export."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.research import Processes, ReportFile, at_work, finish, progress
from smart_auth.access import internal

app = typer.Typer(help="Studies: delete, restore, legal hold, export.", no_args_is_help=True)

Study = Annotated[str, typer.Argument(help="The StudyInstanceUID.")]
Series = Annotated[str | None, typer.Option(help="Only the series with this UID.")]
Instance = Annotated[str | None, typer.Option(help="Only the instance with this UID.")]
ACCESS = internal(OPERATOR.client or "")


@app.callback()
def group() -> None:
    """Studies: delete, restore, legal hold, export."""


@app.command("delete")
def delete_command(study: Study, series: Series = None, instance: Instance = None, data_dir: DataDir = None) -> None:
    """Delete a study, a series or an instance; it is kept for HEALIX_DELETED_STUDIES_KEPT days."""
    from dicomweb.study.delete import delete

    with database(data_dir) as (_, pool):
        gone = transaction(pool, lambda: delete(ACCESS, study, series, instance))
        answer({"study": study, "deleted": len(gone)})


@app.command("restore")
def restore_command(study: Study, series: Series = None, instance: Instance = None, data_dir: DataDir = None) -> None:
    """Bring back what was deleted of a study."""
    from dicomweb.study.restore import restore

    with database(data_dir) as (_, pool):
        back = transaction(pool, lambda: restore(ACCESS, study, series, instance))
        answer({"study": study, "restored": len(back)})


@app.command("deleted")
def deleted_command(data_dir: DataDir = None) -> None:
    """List what was deleted and can be brought back; the newest first."""
    from dicomweb.study.restore import deletions

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: deletions(ACCESS))
        answer({"deleted": [msgspec.to_builtins(one) for one in found]})


@app.command("hold")
def hold_command(
    study: Study, reason: Annotated[str, typer.Option(help="Why it must stay.")], data_dir: DataDir = None
) -> None:
    """Put a study under legal hold: it can neither be deleted nor expire."""
    from dicomweb.study.hold import hold

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: hold(ACCESS, study, reason))
        answer({"study": study, "held": True, "reason": reason})


@app.command("release")
def release_command(study: Study, data_dir: DataDir = None) -> None:
    """End the legal hold of a study."""
    from dicomweb.study.hold import release

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: release(ACCESS, study))
        answer({"study": study, "held": False})


@app.command("holds")
def holds_command(data_dir: DataDir = None) -> None:
    """List the studies under legal hold; the newest first."""
    from dicomweb.study.hold import holds

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: holds(ACCESS))
        recorded(pool, "R", "study holds")
        answer({"holds": [msgspec.to_builtins(one) for one in found]})


@app.command("check")
def check_command(
    now: Annotated[bool, typer.Option("--now", help="Begin a run although the last one was lately.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Read stored images again and see whether they are whole; goes on where a run was cut off. Exits with 1 if not."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from dicomweb.archive.opening import open_archive
    from dicomweb.study.integrity import EVERY, check, damaged, runs

    with database(data_dir) as (settings, pool), pool.connection() as connection:
        before = transaction(pool, runs)[:1]
        columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(file=sys.stderr)) as bar:
            task = bar.add_task("Checking", total=None)
            rate = settings.check_mb_per_second << 20
            for size in check(connection, open_archive(settings), rate, now=now, seconds=math.inf):
                bar.advance(task, size)
        last = transaction(pool, runs)[:1]
        found = transaction(pool, damaged)
        recorded(pool, "E", "study check")
        if last == before and last[0].finished is not None:
            ended = f"{last[0].finished:%Y-%m-%d %H:%M} UTC"
            said = f"Nothing was read: the last run ended at {ended}, the next is due {EVERY} later; --now begins one."
            typer.echo(said, err=True)
        answer({"run": msgspec.to_builtins(last), "damaged": [msgspec.to_builtins(one) for one in found]})
    if found:
        raise typer.Exit(1)


@app.command("damaged")
def damaged_command(data_dir: DataDir = None) -> None:
    """List the images that are missing or damaged, and the last runs that looked."""
    from dicomweb.study.integrity import damaged, runs

    with database(data_dir) as (_, pool):
        found = transaction(pool, damaged)
        last = transaction(pool, runs)
        recorded(pool, "R", "study damaged")
        answer(
            {"damaged": [msgspec.to_builtins(one) for one in found], "runs": [msgspec.to_builtins(one) for one in last]}
        )


@app.command("export")
def export_command(
    studies: Annotated[list[str], typer.Argument(help="StudyInstanceUIDs.")],
    to: Annotated[Path, typer.Option(help="A folder that is new or empty, or a new file NAME.zip.")],
    project: Annotated[str | None, typer.Option(help="De-identify as this research project does.")] = None,
    report: ReportFile = None,
    processes: Processes = None,
    data_dir: DataDir = None,
) -> None:
    """Write studies with a DICOMDIR to a folder or a ZIP file; exits with 1 when anything was refused."""
    from dicomweb.archive.opening import open_archive
    from dicomweb.research import export
    from dicomweb.research.projects import find

    with database(data_dir) as (settings, pool):
        archive = open_archive(settings)
        chosen = transaction(pool, lambda: find(project)) if project is not None else None
        described = transaction(pool, lambda: export.sources(ACCESS, studies))
        with progress("Exporting", sum(one.size for one, _ in described)) as advance:
            target = export.place(to)
            if chosen is None:
                count = export.stored(archive, described, target, advance)
                answer({"to": str(to), "instances": count})
                return
            found = [one for one, _ in described]
            made = export.deidentified(
                archive, chosen, found, target, processes=processes or at_work(), advance=advance
            )
        finish({"to": str(to), "project": chosen.name}, made, report)


@app.command("unmatched")
def unmatched_command(data_dir: DataDir = None) -> None:
    """List the studies of which it is not known whose they are, with the Patients who might be the one."""
    from healix_fhir.imaging.reconcile import unmatched

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: unmatched(ACCESS))
        answer({"unmatched": [msgspec.to_builtins(one) for one in found]})


@app.command("assign")
def assign_command(
    study: Study,
    patient: Annotated[str | None, typer.Option(help="The Patient's logical id (default: as PatientID says).")] = None,
    data_dir: DataDir = None,
) -> None:
    """Give a study to a Patient, whatever its PatientID says; without --patient take that back."""
    from healix_fhir.imaging.reconcile import assign

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: assign(ACCESS, study, patient.removeprefix("Patient/") if patient else None))
        answer({"study": study, "patient": patient})
