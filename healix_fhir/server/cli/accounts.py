"""`healix user` and `healix token`: who may come in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.mail.message import mail_address
from healix_fhir.server.cli.console import DataDir, answer, database

users = typer.Typer(help="Accounts.", no_args_is_help=True)
tokens = typer.Typer(help="Access tokens.", no_args_is_help=True)


@users.callback()
def users_group() -> None:
    """Accounts."""


@tokens.callback()
def tokens_group() -> None:
    """Access tokens."""


@users.command("create")
def create_user(
    username: str,
    role: Annotated[str, typer.Option(help="patient, practitioner or admin")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")],
    fhir_user: Annotated[
        str | None, typer.Option(help="Patient/ID, RelatedPerson/ID or Practitioner/ID that it is.")
    ] = None,
    mail: Annotated[str | None, typer.Option(help="Mail address, for a forgotten password and notices.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create an account."""
    from smart_auth import store
    from smart_auth.account.rules import check_password
    from smart_auth.oauth import passwords

    with database(data_dir) as (settings, pool):
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
        if not password:
            raise invalid("a password is needed on stdin")
        address = mail_address(mail).lower() if mail is not None else None
        check_password(password, (username, address or ""), settings.password_length)
        hashed = passwords.hash_password(password)
        transaction(
            pool,
            lambda: store.create_user(
                username, role=role, fhir_user=fhir_user, password_hash=hashed, mail=address, origin=OPERATOR
            ),
        )
        answer({"username": username, "role": role, "fhir_user": fhir_user})


@users.command("invite")
def invite_user(
    fhir_user: Annotated[str, typer.Option(help="Patient/ID that the account will be.")], data_dir: DataDir = None
) -> None:
    """Make an invitation code, with which a patient registers."""
    from healix_fhir.care.persons import is_patient
    from smart_auth.account.invitation import LIFE, invite

    with database(data_dir) as (settings, pool):
        kind, _, id_ = fhir_user.partition("/")
        if kind != "Patient" or not transaction(pool, lambda: is_patient(id_)):
            raise invalid(f"there is no Patient '{fhir_user[:80]}'", code="not-found")
        code = transaction(pool, lambda: invite(fhir_user, OPERATOR))
        answer({"invitation": code, "expires_in": LIFE, "address": f"{settings.root}/account/register"})


@users.command("reset-factors")
def reset_factors(username: str, data_dir: DataDir = None) -> None:
    """Take away the second step of a person who has lost it, and sign the person out everywhere."""
    from healix_fhir.server.composition import home
    from smart_auth.oauth.factors.held import reset

    with database(data_dir) as (settings, pool):
        if not transaction(pool, lambda: reset(home(settings), username, OPERATOR)):
            raise invalid(f"there is no account '{username[:64]}'", code="not-found")
        answer({"username": username.strip().lower(), "factors": "none"})


@users.command("link")
def link_user(
    username: str,
    related_person: Annotated[str, typer.Argument(help="RelatedPerson/ID: whose parent or guardian the user is.")],
    data_dir: DataDir = None,
) -> None:
    """Let a patient's account act for one more patient, as parents do for their children."""
    from smart_auth import proxies

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: proxies.link(username, related_person))
        answer({"username": username, "acts_as": related_person})


@users.command("unlink")
def unlink_user(
    username: str, related_person: Annotated[str, typer.Argument(help="RelatedPerson/ID")], data_dir: DataDir = None
) -> None:
    """Let an account no longer act for that patient."""
    from smart_auth import proxies

    with database(data_dir) as (_, pool):
        if not transaction(pool, lambda: proxies.unlink(username, related_person)):
            raise invalid(f"the account '{username[:64]}' is not linked to '{related_person[:80]}'", code="not-found")
        answer({"username": username, "acts_no_longer_as": related_person})


@users.command("clear")
def clear_user(
    username: str,
    label: Annotated[
        list[str] | None,
        typer.Option(help="V, R (which V comprises) or a sensitivity such as HIV; repeat it; without, none."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Say which labelled resources an account may see; those that were said before no longer count."""
    from healix_fhir.search.security_labels import clearance
    from smart_auth.account.clearance import clear

    with database(data_dir) as (_, pool):
        try:
            labels = clearance(label or ())
        except ValueError as error:
            raise invalid(f"'{str(error)[:64]}' is no label that hides a resource", code="value") from error
        transaction(pool, lambda: clear(username, labels))
        answer({"username": username, "clearance": labels})


@tokens.command("create")
def create_token(
    scope: Annotated[str, typer.Option(help='SMART scopes, e.g. "system/*.cruds" or "patient/*.rs".')],
    patient: Annotated[str | None, typer.Option(help="Logical id of the patient that patient/… scopes open.")] = None,
    user: Annotated[str | None, typer.Option(help="Username whose care relationships user/… scopes follow.")] = None,
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.", min=1)] = 3600,
    research: Annotated[str | None, typer.Option(help="The research project whose copies alone it opens.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Create an access token."""
    from healix_fhir.model.definitions import TYPES
    from healix_fhir.search.granular import ScopeQueries
    from smart_auth import store

    with database(data_dir) as (settings, pool):
        made = transaction(
            pool,
            lambda: store.create_token(
                scope,
                patient=patient,
                username=user,
                ttl=ttl,
                client="healix-cli",
                project=research,
                types=TYPES,
                conditions=ScopeQueries((settings.fhir_base,)),
                origin=OPERATOR,
            ),
        )
        answer({"access_token": made, "token_type": "Bearer", "expires_in": ttl, "scope": scope, "patient": patient})
