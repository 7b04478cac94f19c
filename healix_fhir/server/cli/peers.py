"""`healix peer`: DIMSE peers."""

from __future__ import annotations

from typing import Annotated

import typer

from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database

app = typer.Typer(help="DIMSE peers.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """DIMSE peers."""


@app.command()
def add(
    aet: Annotated[str, typer.Argument(help="AE title of the peer.")],
    host: Annotated[str, typer.Option(help="Host name or address.")],
    port: Annotated[int, typer.Option(help="DIMSE port.", min=1, max=65535)],
    data_dir: DataDir = None,
) -> None:
    """Make an AE known, so that it may send images."""
    from dicomweb.dimse import peers

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: peers.add(aet, host, port))
        answer({"aet": aet, "host": host, "port": port})
