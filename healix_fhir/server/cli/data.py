"""`healix import`: FHIR bundles, NDJSON and DICOM folders; `healix reindex`: their search index anew."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.reasons import stop

STOPPED = 128 + signal.SIGINT
"""The exit code of a command that was stopped with Ctrl-C, as shells have it."""

Paths = Annotated[list[Path], typer.Argument(help="Files or folders: FHIR JSON or NDJSON (also .gz), DICOM.")]


Processes = Annotated[
    int | None, typer.Option(min=1, max=64, help="Processes at work (default: one for each processor, at most 4).")
]


def import_command(paths: Paths, data_dir: DataDir = None, processes: Processes = None) -> None:
    """Import FHIR bundles, NDJSON and DICOM folders; exits with 1 when anything was refused.

    Cut off and started again with the same paths, it goes on with the DICOM files that were not done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from healix_fhir.server.importing.journal import run_of
    from healix_fhir.server.importing.report import Place
    from healix_fhir.server.importing.run import run
    from healix_fhir.server.importing.sources import find
    from healix_fhir.server.parameter_watch import watching

    with database(data_dir) as (settings, pool), watching(settings.database_url):
        found = find(paths)
        columns = (TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, console=Console(file=sys.stderr)) as bar:
                task = bar.add_task("Importing", total=sum(source.size for source in found.sources))
                report = run(
                    settings,
                    pool,
                    found.sources,
                    lambda size: bar.advance(task, size),
                    processes=processes or min(4, os.cpu_count() or 1),
                    name=run_of(paths),
                )
        except KeyboardInterrupt:
            stop("stopped: what was done is kept, and the same command goes on with the images that were not", STOPPED)
        for path, reason in found.refused:
            report.reject(Place(str(path)), [reason])
        recorded(pool, "C", " ".join(["import", *map(str, paths)]))
        answer(report.as_json() | {"skipped": found.skipped})
    if report.refused:
        raise typer.Exit(1)


def reindex_command(data_dir: DataDir = None) -> None:
    """Write the search index of all resources anew; goes on where a run was cut off. The server may be running."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from healix_fhir.kernel.database import transaction
    from healix_fhir.search.reindex import VERSION, reindexed
    from healix_fhir.server.parameter_watch import watching
    from healix_fhir.store.reindexing import FINISHED, begin

    with database(data_dir) as (settings, pool), watching(settings.database_url):
        run = transaction(pool, lambda: begin(VERSION))
        recorded(pool, "E", "reindex", f"reindexing/{run.id}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr)) as bar:
            task = bar.add_task("Indexing", total=run.total)
            for step in reindexed(pool, run.id, (settings.fhir_base,)):
                run = step
                bar.update(task, completed=run.done)
        answer({"run": run.id, "state": run.state, "resources": run.done})
    if run.state != FINISHED:
        raise typer.Exit(1)
