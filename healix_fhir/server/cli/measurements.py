"""`healix measurements`: readings of wearables from files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded

app = typer.Typer(help="Readings of wearables.", no_args_is_help=True)

File = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="Apple Health's export (export.xml or its .zip), FIT (.fit, or a .zip of them), .csv or .ndjson.",
    ),
]


@app.callback()
def measurements() -> None:
    """Readings of wearables."""


@app.command("import")
def import_command(
    file: File,
    patient: Annotated[str, typer.Option(help="Logical id of the Patient whose readings they are.")],
    device: Annotated[
        str | None,
        typer.Option(
            help="Id of the Device, or system|value; without it, what the file names (apps' sources are made)."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Import a file of readings; exits with 1 when any was refused. The same file again changes nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from healix_fhir.care.wearables.source import Source
    from healix_fhir.interaction.review import demands
    from healix_fhir.server.importing.measurements import Intake
    from healix_fhir.server.parameter_watch import watching

    with database(data_dir) as (settings, pool), watching(settings.database_url):
        intake = Intake(pool, (settings.fhir_base,), patient, device, demands(settings.validate_profiles))
        recorded(pool, "C", f"measurements import {file}", f"Patient/{patient}")
        columns = (TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr)) as bar:
            task = bar.add_task("Importing", total=file.stat().st_size)
            source = Source(file, lambda size: bar.advance(task, size))
            intake.take(source.found(), str(file))
        report = intake.report
        counts = {name: getattr(report, name) for name in report.__struct_fields__ if name != "items"}
        answer(counts | {"skipped": dict(source.skipped.most_common()), "refused_items": report.items})
    if report.refused:
        raise typer.Exit(1)
