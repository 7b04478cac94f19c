"""`healix client`: which apps may ask for access."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database

app = typer.Typer(help="Registered apps.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Registered apps."""


@app.command("create")
def create_client(
    name: Annotated[str, typer.Option(help="What people read on the consent page.")],
    scope: Annotated[str, typer.Option(help='Everything it may ask for, e.g. "launch/patient openid patient/*.rs".')],
    auth: Annotated[str, typer.Option(help="none, client_secret_basic, client_secret_post or private_key_jwt")],
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Where codes may be sent, exactly.")] = None,
    jwks_file: Annotated[Path | None, typer.Option(help="File with its public keys, as a JWK set.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="URL of its public keys.")] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(help="authorization_code, refresh_token, client_credentials (default: what fits)."),
    ] = None,
    launch_uri: Annotated[str | None, typer.Option(help="Where an EHR launch begins.")] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where people go who signed out, exactly.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Register an app."""
    from healix_fhir.model.definitions import TYPES
    from healix_fhir.search.granular import ScopeQueries
    from smart_auth.oauth import clients

    with database(data_dir) as (settings, pool):
        new = clients.NewClient(
            name=name,
            scope=scope,
            auth=auth,
            redirect_uris=tuple(redirect_uri or ()),
            grants=tuple(grant or ()),
            jwks=read_file(jwks_file) if jwks_file is not None else None,
            jwks_uri=jwks_uri,
            launch_uri=launch_uri,
            post_logout_redirect_uris=tuple(post_logout_redirect_uri or ()),
        )
        client_id, secret = transaction(
            pool,
            lambda: clients.create_client(
                new, types=TYPES, conditions=ScopeQueries((settings.fhir_base,)), origin=OPERATOR
            ),
        )
        answer({"client_id": client_id, "client_secret": secret, "client_name": name, "scope": scope})


@app.command("invite")
def invite(
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.", min=1, max=30 * 86400)] = 86400,
    data_dir: DataDir = None,
) -> None:
    """Make an initial access token, with which one app may register itself."""
    from smart_auth.oauth import registration

    with database(data_dir) as (_, pool):
        token = transaction(pool, lambda: registration.invite(ttl, OPERATOR))
        answer({"initial_access_token": token, "expires_in": ttl})


def read_file(path: Path) -> str:
    """The text of a file that is named on the command line. Raises Invalid."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise invalid(f"{path} cannot be read") from error
