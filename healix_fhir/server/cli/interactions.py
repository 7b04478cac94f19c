"""`healix interactions`: which medications do not go together, from a file. Its licence stays with who loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.reasons import stop

app = typer.Typer(help="Interactions of medications, which orders are held against.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="The source, as it was named when it was loaded.")]
LONGEST = 200


@app.callback()
def group() -> None:
    """Interactions of medications, which orders are held against."""


@app.command()
def load(
    path: Annotated[Path, typer.Argument(help="A CSV file, or DetectedIssues as a Bundle or NDJSON.")],
    source: Annotated[str, typer.Option(help="Who says so, with the edition: it is shown with each warning.")],
    data_dir: DataDir = None,
) -> None:
    """Put the interactions of a file in the place of those that its source had."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.operation.prescription.interaction_file import read
    from healix_fhir.operation.prescription.interactions import replace

    name = source.strip()
    if not 0 < len(name) <= LONGEST:
        stop(f"--source has 1 to {LONGEST} characters")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        stop(f"{path} cannot be read as a text in UTF-8")
    with database(data_dir) as (_, pool):
        found = read(text)
        before = transaction(pool, lambda: replace(OPERATOR, name, found))
        answer({"source": name, "interactions": len(found), "replaced": before})


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """The sources that are loaded."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.operation.prescription.interactions import loaded

    with database(data_dir) as (_, pool):
        found = transaction(pool, loaded)
        recorded(pool, "R", "interactions list")
        answer({"sources": [{"source": one.name, "interactions": one.count, "loaded": one.loaded} for one in found]})


@app.command()
def remove(source: Source, data_dir: DataDir = None) -> None:
    """Take out what a source has."""
    from healix_fhir.kernel.database import transaction
    from healix_fhir.operation.prescription.interactions import remove as remove_source

    with database(data_dir) as (_, pool):
        count = transaction(pool, lambda: remove_source(OPERATOR, source))
        if not count:
            stop(f"nothing is loaded under the name '{source[:80]}'")
        answer({"source": source, "removed": count})
