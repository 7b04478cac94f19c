"""`healix client list`, `show`, `change` and what else is done with apps that are registered."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.clients import read_file
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.listing import every

app = typer.Typer()
Id = Annotated[str, typer.Argument(help="client_id")]


@app.command("list")
def list_clients(
    search: Annotated[str, typer.Option(help="Part of a name, or a client_id.")] = "", data_dir: DataDir = None
) -> None:
    """List registered apps."""
    from smart_auth.administration.clients import find_clients

    with database(data_dir) as (_, pool):
        found = list(every(lambda after: transaction(pool, lambda: find_clients(search, after))))
        recorded(pool, "R", f"client list {search}")
        answer(
            {
                "clients": [
                    {
                        "client_id": line.id,
                        "client_name": line.name,
                        "auth": line.auth,
                        "created": instant(line.created),
                        "disabled": line.disabled,
                    }
                    for line in found
                ]
            }
        )


@app.command("show")
def show_client(client_id: Id, data_dir: DataDir = None) -> None:
    """Show an app's registration and what it has."""
    from smart_auth.administration.clients import find_registered

    with database(data_dir) as (_, pool):
        known = transaction(pool, lambda: find_registered(client_id))
        client = known.client
        recorded(pool, "R", "client show", f"client/{client.id}")
        answer(
            {
                "client_id": client.id,
                "client_name": client.name,
                "auth": client.auth,
                "scope": client.scope,
                "redirect_uris": client.redirect_uris,
                "grants": client.grants,
                "jwks": client.jwks,
                "jwks_uri": client.jwks_uri,
                "launch_uri": client.launch_uri,
                "post_logout_redirect_uris": client.post_logout_redirect_uris,
                "created": instant(known.created),
                "disabled": known.disabled,
                "access_tokens": known.tokens,
                "allowed": [
                    {"username": one.username, "scope": one.scope, "since": instant(one.since)} for one in known.allowed
                ],
            }
        )


@app.command("change")
def change_client(
    client_id: Id,
    name: Annotated[str | None, typer.Option(help="What people read on the consent page.")] = None,
    scope: Annotated[str | None, typer.Option(help="Everything it may ask for.")] = None,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Where codes may be sent, exactly.")] = None,
    jwks_file: Annotated[Path | None, typer.Option(help="File with its public keys, as a JWK set.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="URL of its public keys.")] = None,
    grant: Annotated[
        list[str] | None, typer.Option(help="authorization_code, refresh_token, client_credentials")
    ] = None,
    launch_uri: Annotated[str | None, typer.Option(help="Where an EHR launch begins; empty: nowhere.")] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where people go who signed out, exactly.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Change an app's registration; what is not named stays."""
    from healix_fhir.model.definitions import TYPES
    from healix_fhir.search.granular import ScopeQueries
    from smart_auth.administration import clients
    from smart_auth.oauth.clients import NewClient

    with database(data_dir) as (settings, pool):
        client = transaction(pool, lambda: clients.find_registered(client_id)).client
        known = NewClient(
            name=client.name,
            scope=client.scope,
            auth=client.auth,
            redirect_uris=client.redirect_uris,
            grants=client.grants,
            jwks=client.jwks,
            jwks_uri=client.jwks_uri,
            launch_uri=client.launch_uri,
            post_logout_redirect_uris=client.post_logout_redirect_uris,
        )
        given: dict[str, Any] = {
            "name": name,
            "scope": scope,
            "redirect_uris": tuple(redirect_uri) if redirect_uri else None,
            "grants": tuple(grant) if grant else None,
            "launch_uri": launch_uri,
            "post_logout_redirect_uris": tuple(post_logout_redirect_uri) if post_logout_redirect_uri else None,
        }
        changed = dataclasses.replace(known, **{field: value for field, value in given.items() if value is not None})
        if jwks_file is not None or jwks_uri is not None:
            keys = read_file(jwks_file) if jwks_file is not None else None
            changed = dataclasses.replace(changed, jwks=keys, jwks_uri=jwks_uri)
        changed = dataclasses.replace(changed, launch_uri=changed.launch_uri or None)
        conditions = ScopeQueries((settings.fhir_base,))
        transaction(
            pool, lambda: clients.change_client(client_id, changed, OPERATOR, types=TYPES, conditions=conditions)
        )
        answer({"client_id": client_id, "client_name": changed.name, "scope": changed.scope})


@app.command("rotate-secret")
def rotate_secret(client_id: Id, data_dir: DataDir = None) -> None:
    """Make a new secret; the old one is worthless at once."""
    from smart_auth.administration import clients

    with database(data_dir) as (_, pool):
        secret = transaction(pool, lambda: clients.rotate_secret(client_id, OPERATOR))
        answer({"client_id": client_id, "client_secret": secret})


@app.command("disable")
def disable_client(client_id: Id, data_dir: DataDir = None) -> None:
    """Close an app and end its grants and tokens at once."""
    from smart_auth.administration import clients

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: clients.close_client(client_id, OPERATOR))
        answer({"client_id": client_id, "disabled": True})


@app.command("enable")
def enable_client(client_id: Id, data_dir: DataDir = None) -> None:
    """Open a closed app again; people are asked anew."""
    from smart_auth.administration import clients

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: clients.open_client(client_id, OPERATOR))
        answer({"client_id": client_id, "disabled": False})


@app.command("delete")
def delete_client(client_id: Id, data_dir: DataDir = None) -> None:
    """Remove an app for good, with all that it has."""
    from smart_auth.administration import clients

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: clients.remove_client(client_id, OPERATOR))
        answer({"client_id": client_id, "deleted": True})
