"""`healix package`: FHIR packages (implementation guides)."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded

app = typer.Typer(
    help="FHIR packages: profiles, value sets, search parameters and examples of implementation guides.",
    no_args_is_help=True,
)


@app.callback()
def group() -> None:
    """FHIR packages: profiles, value sets, search parameters and examples of implementation guides."""


@app.command()
def install(
    file: Annotated[Path, typer.Argument(help="The package's .tgz file, as packages.fhir.org has it.")],
    data_dir: DataDir = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Write its definitions as resources too: read, searched, searched by.")
    ] = False,
    examples: Annotated[bool, typer.Option("--examples", help="Write its examples as resources.")] = False,
) -> None:
    """Install a package, beside other versions of it; installing it again changes nothing.

    Definitions that are no valid R4 resources are left out; exits with 1 when there were some, or when a resource was
    refused.
    """
    from rich.console import Console
    from rich.progress import Progress

    from healix_fhir.kernel.database import transaction
    from healix_fhir.server.package.publish import publish as write
    from healix_fhir.server.package.read import read_package
    from healix_fhir.server.parameter_watch import watching
    from healix_fhir.store import packages

    with database(data_dir) as (settings, pool), watching(settings.database_url):
        console = Console(file=sys.stderr)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("Reading", total=file.stat().st_size if file.is_file() else None)
            contents = read_package(file, lambda size: bar.advance(task, size), examples=examples)
            package = contents.package
            outcome = transaction(pool, lambda: packages.install(package))
            named = [(f"{one.type} {one.url}", one.body) for one in package.definitions] if publish else []
            named += contents.examples.items()
            task = bar.add_task("Writing", total=len(named))
            published = write(settings, pool, named, lambda count: bar.advance(task, count))
        counts = Counter(definition.type for definition in package.definitions)
        refused = contents.refused | published.refused
        answer(
            {
                "name": package.name,
                "version": package.version,
                "outcome": outcome,
                "definitions": dict(sorted(counts.items())),
                "resources": published.resources,
                "refused": refused,
                "other_files": contents.others,
                "dependencies": list(package.dependencies),
            }
        )
    if refused:
        raise typer.Exit(1)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The package's name.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
    data_dir: DataDir = None,
) -> None:
    """Remove a package: nothing is validated by it any more. Resources that were written from it stay."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.store import packages

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: packages.remove(name, version))
        answer({"name": name, "version": version, "outcome": "removed"})


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """The installed packages."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.store import packages

    with database(data_dir) as (_, pool):
        found = transaction(pool, packages.listed)
        recorded(pool, "R", "package list")
        answer(
            {
                "packages": [
                    {
                        "name": one.name,
                        "version": one.version,
                        "definitions": one.definitions,
                        "installed": one.installed.isoformat(),
                    }
                    for one in found
                ]
            }
        )
