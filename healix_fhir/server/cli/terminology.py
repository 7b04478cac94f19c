"""`healix terminology`: code systems from the files of their publishers. Their licences stay with who loads them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.reasons import stop

app = typer.Typer(help="Code systems: LOINC, SNOMED CT, ICD-10, RxNorm, and one's own.", no_args_is_help=True)

Url = Annotated[str, typer.Argument(help="The code system's url.")]
Version = Annotated[str, typer.Argument(help="Its version, as listed.")]


@app.callback()
def group() -> None:
    """Code systems: LOINC, SNOMED CT, ICD-10, RxNorm, and one's own."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="The distribution: a folder, a zip file, or one file.")],
    kind: Annotated[str, typer.Option("--format", help="csv, claml, icd10cm, loinc, rxnorm or snomed.")],
    system: Annotated[str | None, typer.Option(help="The code system's url, where the format does not say it.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version, where the files do not say it.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name, for people.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Load a code system beside its other versions; loading the same files again changes nothing.

    It becomes visible when all of it is there. A load that was stopped goes on when it is called again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from healix_fhir.terminology.loading.distribution import Distribution
    from healix_fhir.terminology.loading.format import Wanted
    from healix_fhir.terminology.loading.formats import FORMATS
    from healix_fhir.terminology.loading.load import analyze
    from healix_fhir.terminology.loading.load import load as load_contents

    if kind not in FORMATS:
        stop(f"--format is one of {', '.join(FORMATS)}")
    chosen = FORMATS[kind]
    with database(data_dir) as (_, pool):
        console = Console(file=sys.stderr)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            reading = bar.add_task("Reading", total=None)
            files = Distribution(path, lambda size: bar.advance(reading, size))
            bar.update(reading, total=files.size(chosen.files))
            contents = chosen.read(files, Wanted(system, version, name))
            writing = bar.add_task("Writing", total=len(contents.entries))
            outcome = load_contents(pool, contents, files.stamp, lambda size: bar.advance(writing, size))
        if outcome != "unchanged":
            analyze(pool)
        heading = contents.heading
        answer(
            {
                "url": heading.url,
                "version": heading.version,
                "name": heading.text("name"),
                "outcome": outcome,
                "concepts": len(contents.entries),
            }
        )


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """The code systems that were loaded; those that are not whole yet with how far they are."""
    from healix_fhir.terminology.loading.load import listed

    with database(data_dir) as (_, pool):
        with pool.connection() as connection:
            found = listed(connection)
        recorded(pool, "R", "terminology list")
        answer(
            {
                "code_systems": [
                    {
                        "url": url,
                        "version": version,
                        "name": name,
                        "concepts": count,
                        **({"loaded": at.isoformat()} if ready else {"written": written}),
                    }
                    for url, version, name, count, ready, at, written in found
                ]
            }
        )


@app.command()
def remove(url: Url, version: Version, data_dir: DataDir = None) -> None:
    """Take out a version that was loaded, or one that was loaded in part."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.terminology.loading.load import remove as remove_version

    with database(data_dir) as (_, pool):
        count = transaction(pool, lambda: remove_version(url, version))
        answer({"url": url, "version": version, "outcome": "removed", "concepts": count})
