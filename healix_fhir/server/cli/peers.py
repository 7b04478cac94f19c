"""`healix peer`: DIMSE peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded

if TYPE_CHECKING:
    from dicomweb.dimse.peers import Peer, Right

app = typer.Typer(help="DIMSE peers.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """DIMSE peers."""


@app.command()
def add(
    aet: Annotated[str, typer.Argument(help="AE title of the peer.")],
    host: Annotated[str, typer.Option(help="Host name or address where it listens.")],
    port: Annotated[int, typer.Option(help="Its DIMSE port.", min=1, max=65535)],
    rights: Annotated[
        str | None,
        typer.Option(help="Services that it may use (default: all), with commas, as in echo,store,find; or none."),
    ] = None,
    from_: Annotated[
        list[str] | None, typer.Option("--from", help="Address or network that it calls from; repeat it.")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak with it over TLS only, either way.")] = False,
    associations: Annotated[int | None, typer.Option(help="How many it may have at once.", min=1)] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an AE known, or replace what is known of it."""
    from dicomweb.dimse import peers

    with database(data_dir) as (_, pool):
        allowed = None if rights is None else _rights(rights)
        peer = transaction(
            pool,
            lambda: peers.add(aet, host, port, allowed, networks=from_ or (), tls=tls, associations=associations),
        )
        answer(_told(peer))


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """List the AEs that are known."""
    from dicomweb.dimse import peers

    with database(data_dir) as (_, pool):
        known = transaction(pool, peers.known)
        recorded(pool, "R", "peer list")
        answer({"peers": [_told(peer) for peer in known]})


@app.command()
def remove(aet: Annotated[str, typer.Argument(help="AE title of the peer.")], data_dir: DataDir = None) -> None:
    """Forget an AE."""
    from dicomweb.dimse import peers

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: peers.remove(aet))
        answer({"removed": aet})


def _rights(text: str) -> list[Right]:
    from dicomweb.dimse.peers import Right

    if text == "none":
        return []
    try:
        return [Right(word.strip()) for word in text.split(",")]
    except ValueError as error:
        raise invalid(f"rights are {', '.join(Right)}, or none, not '{text[:80]}'", code="value") from error


def _told(peer: Peer) -> dict[str, Any]:
    """A peer as these commands show it."""
    from dicomweb.dimse.peers import Right

    return {
        "aet": peer.aet,
        "host": peer.host,
        "port": peer.port,
        "rights": [right.value for right in Right if right in peer.rights],
        "from": list(map(str, peer.networks)),
        "tls": peer.tls,
        "associations": peer.associations,
    }
