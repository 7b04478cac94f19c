"""`healix route`: which images go where by themselves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from healix_fhir.server.cli.console import DataDir
from healix_fhir.server.cli.named_rules import Keeping, Name, Repeated, add, commands

if TYPE_CHECKING:
    from dicomweb.routing.rules import Route


def _keeping() -> Keeping[Route]:
    from dicomweb.routing.rules import put, remove, routes, shown

    return Keeping(put, remove, routes, shown)


app = commands(
    "route",
    "Images that go elsewhere by themselves.",
    _keeping,
    key="routes",
    removal="Remove a route, and what it has not sent yet.",
)


@app.command("add")
def add_command(
    name: Name,
    peer: Annotated[str | None, typer.Option(help="AE title of the peer that gets them.")] = None,
    url: Annotated[str | None, typer.Option(help="DICOMweb base URL of the server that gets them.")] = None,
    modality: Annotated[Repeated, typer.Option(help="Only series of this modality; may be repeated.")] = None,
    station: Annotated[
        Repeated, typer.Option(help="Only series of this StationName (* and ? stand for others); may be repeated.")
    ] = None,
    description: Annotated[
        Repeated, typer.Option(help="Only where study or series are described so (* and ?); may be repeated.")
    ] = None,
    caller: Annotated[Repeated, typer.Option(help="Only what this AE title sent; may be repeated.")] = None,
    quiet: Annotated[int, typer.Option(min=0, help="Seconds without a new image after which a study goes.")] = 30,
    notice: Annotated[bool, typer.Option("--notice", help="Only tell the peer that the images are here.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="The URL may be in a private network, and without TLS.")
    ] = False,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a bearer token for the URL from stdin.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Add a route, or replace the one of its name: what comes from now on goes there, also what was missed before of a
    study to which something comes.
    """
    from dicomweb.routing.rules import Action, Route

    route = Route(
        name,
        Action.NOTICE if notice else Action.SEND,
        peer,
        url,
        sys.stdin.readline().strip() if token_stdin else None,
        private,
        tuple(modality or ()),
        tuple(station or ()),
        tuple(description or ()),
        tuple(caller or ()),
        quiet,
    )
    add(_keeping(), route, data_dir, peer=peer)
