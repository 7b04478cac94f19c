"""`healix audit`: the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.reasons import stop

app = typer.Typer(help="The audit trail.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The audit trail."""


@app.command()
def verify(
    data_dir: DataDir = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(help="Further files of anchors, from other nodes or from a safe place; may be repeated."),
    ] = None,
    start: Annotated[
        int, typer.Option("--from", min=0, help="Trust what is before this anchored block, and begin after it.")
    ] = 0,
) -> None:
    """Compare every row with the hash chain and the chain with its anchors; exits with 1 when anything is wrong."""
    from healix_fhir.kernel.audit_anchors import NAME, read
    from healix_fhir.kernel.audit_verify import verify as compare

    with database(data_dir) as (settings, pool):
        files = [settings.data_dir / NAME, *(anchors or [])]
        for file in files[1:]:
            if not file.is_file():
                stop(f"there is no file {file}")
        with pool.connection() as connection:
            verdict = compare(connection, (anchor for file in files for anchor in read(file)), start)
        recorded(pool, "E", f"audit verify: {verdict.count} problems")
        answer(msgspec.to_builtins(verdict))
    if verdict.count:
        further = f" (and {verdict.count - 1} more)" if verdict.count > 1 else ""
        stop(f"the audit trail was tampered with: {verdict.problems[0]}{further}")
