"""`healix launch`: apps started with a patient's context, as an EHR does."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import Work, transaction
from healix_fhir.kernel.errors import invalid
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
    fhir_context: Annotated[
        list[str] | None,
        typer.Option(help="What else it is about: ImagingStudy/ID, or an item of fhirContext as JSON."),
    ] = None,
    patient_banner: Annotated[bool, typer.Option(help="Whether the app shows whose record it is.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Create a launch: good once, for ten minutes, for this app and this account."""
    from smart_auth.oauth import launch
    from smart_auth.oauth.clients import find_client

    with database(data_dir) as (settings, pool):
        about = tuple(map(_item, fhir_context or ()))
        launched = launch.Launched(patient, encounter, intent, patient_banner, about)

        def work() -> Work[tuple[str, str | None]]:
            made = yield from launch.create_launch(client, user, launched, origin=OPERATOR)
            known = yield from find_client(client)
            return made, known.launch_uri if known is not None else None

        made, launch_uri = transaction(pool, work)
        result = {"launch": made, "expires_in": launch.LIFE, "iss": settings.fhir_base}
        if launch_uri is not None:
            result["launch_url"] = launch.address(launch_uri, settings.fhir_base, made)
        answer(result)


def _item(text: str) -> dict[str, Any]:
    """An item of fhirContext: a reference, or a JSON object."""
    if not text.lstrip().startswith("{"):
        return {"reference": text, "type": text.partition("/")[0]}
    try:
        item = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid("--fhir-context is no JSON object") from error
    if not isinstance(item, dict):
        raise invalid("--fhir-context is no JSON object")
    return item
