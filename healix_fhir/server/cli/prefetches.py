"""`healix prefetch`: whose earlier studies are fetched from where."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from smart_auth.access import internal

app = typer.Typer(help="Earlier studies that are fetched from peers.", no_args_is_help=True)

ACCESS = internal(OPERATOR.client or "")
Name = Annotated[str, typer.Argument(help="The name of the rule.")]
Repeated = list[str] | None


@app.callback()
def group() -> None:
    """Earlier studies that are fetched from peers."""


@app.command("add")
def add(
    name: Name,
    peer: Annotated[str, typer.Option(help="AE title of the peer that has them.")],
    modality: Annotated[Repeated, typer.Option(help="Only when this modality is to come; may be repeated.")] = None,
    prior_modality: Annotated[Repeated, typer.Option(help="Only studies of this modality; may be repeated.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Studies of a patient, the newest first.")] = 3,
    years: Annotated[int, typer.Option(min=1, help="How old they may be.")] = 5,
    data_dir: DataDir = None,
) -> None:
    """Add a rule, or replace the one of its name: when a patient is on the worklist, or the first images come, earlier
    studies are fetched (C-FIND, C-MOVE). The peer must know this server as HEALIX.
    """
    from dicomweb.routing.priors import Rule, put

    rule = Rule(name, peer, tuple(modality or ()), tuple(prior_modality or ()), most, years)
    with database(data_dir) as (_, pool):
        transaction(pool, lambda: put(ACCESS, rule))
        answer(msgspec.to_builtins(rule))


@app.command("remove")
def remove_command(name: Name, data_dir: DataDir = None) -> None:
    """Remove a rule, and what it has not fetched yet."""
    from dicomweb.routing.priors import remove

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: remove(ACCESS, name))
        answer({"name": name, "removed": True})


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """List the rules."""
    from dicomweb.routing.priors import rules

    with database(data_dir) as (_, pool):
        found = transaction(pool, rules)
        recorded(pool, "R", "prefetch list")
        answer({"rules": [msgspec.to_builtins(one) for one in found]})
