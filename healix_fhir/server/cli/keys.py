"""`healix keys`: what id tokens are signed with."""

from __future__ import annotations

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database

app = typer.Typer(help="Signing keys.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Signing keys."""


@app.command("rotate")
def rotate_keys(data_dir: DataDir = None) -> None:
    """Make a new signing key; the present ones stay published until what they signed has expired."""
    from smart_auth.oauth.seal import seal_of
    from smart_auth.oauth.signing import SigningKeys

    with database(data_dir) as (settings, pool):
        keys = SigningKeys(seal_of(settings.data_dir))
        answer({"kid": transaction(pool, lambda: keys.rotate(OPERATOR))})
