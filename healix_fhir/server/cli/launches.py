"""`healix launch`: apps started with a patient's context, as an EHR does."""

from __future__ import annotations

from typing import Annotated

import typer

from healix_fhir.kernel.database import Work, transaction
from healix_fhir.server.cli.console import DataDir, answer, database

app = typer.Typer(help="Apps started with a patient's context.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Apps started with a patient's context."""


@app.command("create")
def create_launch(
    client: Annotated[str, typer.Option(help="client_id of the app.")],
    user: Annotated[str, typer.Option(help="Username of the account that will sign in.")],
    patient: Annotated[str, typer.Option(help="Logical id of the Patient.")],
    encounter: Annotated[str | None, typer.Option(help="Logical id of an Encounter of that patient.")] = None,
    intent: Annotated[str | None, typer.Option(help="What the app is to do, in words that it knows.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create a launch: good once, for ten minutes, for this app and this account."""
    from smart_auth.oauth import launch
    from smart_auth.oauth.clients import find_client

    with database(data_dir) as (settings, pool):

        def work() -> Work[tuple[str, str | None]]:
            made = yield from launch.create_launch(client, user, launch.Launched(patient, encounter, intent))
            known = yield from find_client(client)
            return made, known.launch_uri if known is not None else None

        made, launch_uri = transaction(pool, work)
        result = {"launch": made, "expires_in": launch.LIFE, "iss": settings.fhir_base}
        if launch_uri is not None:
            result["launch_url"] = launch.address(launch_uri, settings.fhir_base, made)
        answer(result)
