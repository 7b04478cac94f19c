"""`healix break-glass`: the records that clinicians opened in an emergency."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import at_once, one, transaction
from healix_fhir.server.cli.console import DataDir, answer, database
from healix_fhir.server.reasons import stop

app = typer.Typer(help="Emergency access.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Emergency access."""


@app.command("list")
def list_openings(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List who opened whose record in an emergency, and why; the newest first."""
    from smart_auth.administration.looking import openings_shown
    from smart_auth.break_glass import openings

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: openings(only_open=only_open))
        at_once(pool, one(openings_shown(OPERATOR, [opening.patient for opening in found])))
        answer({"openings": [msgspec.to_builtins(one) for one in found]})


@app.command("end")
def end_opening(
    opening: Annotated[str, typer.Argument(help="The id of the opening.")], data_dir: DataDir = None
) -> None:
    """End an emergency access now."""
    from smart_auth.break_glass import end

    with database(data_dir) as (_, pool):
        if not transaction(pool, lambda: end(OPERATOR, id_=opening)):
            stop(f"no emergency access '{opening[:64]}' is open")
        answer({"id": opening, "ended": True})
