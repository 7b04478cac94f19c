"""`healix errand`: what the server has still to do at other systems, and what it gave up."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database, recorded

app = typer.Typer(help="What is to be done at other systems.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """What is to be done at other systems."""


@app.command("list")
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="Also what was done in the last 30 days.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List what waits and what was given up: reports, notices, images to be sent, earlier studies to be fetched."""
    from dicomweb.errand.queue import waiting

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: waiting(everything=everything))
        recorded(pool, "R", "errand list")
        answer({"errands": [msgspec.to_builtins(one) for one in found]})


@app.command("retry")
def retry_command(
    number: Annotated[int, typer.Argument(help="The number (`seq`) of the errand.")], data_dir: DataDir = None
) -> None:
    """Do an errand now, also one that was given up."""
    from dicomweb.errand.queue import retry

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: retry(number))
        recorded(pool, "E", f"errand retry {number}", found.about)
        answer(msgspec.to_builtins(found))


@app.command("cancel")
def cancel_command(
    number: Annotated[int, typer.Argument(help="The number (`seq`) of the errand.")], data_dir: DataDir = None
) -> None:
    """Give up an errand; what it is just doing may still be done."""
    from dicomweb.errand.queue import cancel

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: cancel(number))
        recorded(pool, "E", f"errand cancel {number}", found.about)
        answer(msgspec.to_builtins(found))
