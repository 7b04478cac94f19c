"""`healix prefetch`: whose earlier studies are fetched from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from healix_fhir.server.cli.console import DataDir
from healix_fhir.server.cli.named_rules import Keeping, Name, Repeated, add, commands

if TYPE_CHECKING:
    from dicomweb.routing.priors import Rule


def _keeping() -> Keeping[Rule]:
    from dicomweb.routing.priors import put, remove, rules

    return Keeping(put, remove, rules)


app = commands(
    "prefetch",
    "Earlier studies that are fetched from peers.",
    _keeping,
    key="rules",
    removal="Remove a rule, and what it has not fetched yet.",
)


@app.command("add")
def add_command(
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
    from dicomweb.routing.priors import Rule

    rule = Rule(name, peer, tuple(modality or ()), tuple(prior_modality or ()), most, years)
    add(_keeping(), rule, data_dir, peer=peer)
