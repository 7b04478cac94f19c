"""`healix user list`, `show`, `disable` and what else is done with accounts that are there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.listing import every

app = typer.Typer()


@app.command("list")
def list_users(
    search: Annotated[str, typer.Option(help="Part of a name or mail address, or Type/ID.")] = "",
    role: Annotated[str, typer.Option(help="patient, practitioner or admin")] = "",
    data_dir: DataDir = None,
) -> None:
    """List accounts."""
    from smart_auth.administration.accounts import find_accounts

    with database(data_dir) as (_, pool):
        found = list(every(lambda after: transaction(pool, lambda: find_accounts(search, role, after))))
        recorded(pool, "R", f"user list {search} {role}")
        answer(
            {
                "users": [
                    {
                        "username": line.username,
                        "role": line.role,
                        "fhir_user": line.fhir_user,
                        "mail": line.mail,
                        "created": instant(line.created),
                        "disabled": line.disabled,
                    }
                    for line in found
                ]
            }
        )


@app.command("show")
def show_user(username: str, data_dir: DataDir = None) -> None:
    """Show an account and what it has."""
    from smart_auth.administration.accounts import find_known

    with database(data_dir) as (_, pool):
        known = transaction(pool, lambda: find_known(username))
        line = known.line
        recorded(pool, "R", "user show", f"account/{line.username}")
        answer(
            {
                "username": line.username,
                "role": line.role,
                "fhir_user": line.fhir_user,
                "mail": line.mail,
                "created": instant(line.created),
                "disabled": line.disabled,
                "sessions": known.sessions,
                "access_tokens": known.tokens,
                "second_factor": known.factors,
                "held_seconds": round(known.held, 1),
            }
        )


@app.command("disable")
def disable_user(username: str, data_dir: DataDir = None) -> None:
    """Close an account and end its sessions, grants and tokens at once."""
    from smart_auth.administration import accounts

    with database(data_dir) as (_, pool):
        name = username.strip().lower()
        transaction(pool, lambda: accounts.close_account(name, OPERATOR))
        answer({"username": name, "disabled": True})


@app.command("enable")
def enable_user(username: str, data_dir: DataDir = None) -> None:
    """Open a closed account again."""
    from smart_auth.administration import accounts

    with database(data_dir) as (_, pool):
        name = username.strip().lower()
        transaction(pool, lambda: accounts.open_account(name, OPERATOR))
        answer({"username": name, "disabled": False})


@app.command("unlock")
def unlock_user(username: str, data_dir: DataDir = None) -> None:
    """Let an account in at once that has to wait because of guesses at it."""
    from smart_auth.administration import accounts

    with database(data_dir) as (_, pool):
        name = username.strip().lower()
        waited = transaction(pool, lambda: accounts.let_in(name, OPERATOR))
        answer({"username": name, "was_held": waited})


@app.command("change")
def change_user(
    username: str,
    role: Annotated[str, typer.Option(help="patient, practitioner or admin")],
    fhir_user: Annotated[str | None, typer.Option(help="Patient/ID or Practitioner/ID that the account is.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an account another role's or person's; what it had ends."""
    from smart_auth.administration import accounts

    with database(data_dir) as (_, pool):
        name = username.strip().lower()
        transaction(pool, lambda: accounts.change_person(name, role, fhir_user, OPERATOR))
        answer({"username": name, "role": role, "fhir_user": fhir_user})


@app.command("reset-password")
def reset_password(
    username: str,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the new one from stdin.")] = False,
    send_mail: Annotated[bool, typer.Option("--mail", help="Send the link to the account's mail address.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make a link with which the password is chosen, once, within a day; or set the password from stdin."""
    from healix_fhir.server.composition import home
    from smart_auth.account.rules import check_password
    from smart_auth.administration import accounts
    from smart_auth.oauth.passwords import hash_password

    with database(data_dir) as (settings, pool):
        name = username.strip().lower()
        if password_stdin:
            password = sys.stdin.readline().rstrip("\r\n")
            if not password:
                raise invalid("a password is needed on stdin")
            check_password(password, (name,), settings.password_length)
            hashed = hash_password(password)
            transaction(pool, lambda: accounts.set_password(name, hashed, OPERATOR))
            answer({"username": name, "password": "set"})
        elif send_mail:
            sent = transaction(pool, lambda: accounts.mail_link(home(settings), name, OPERATOR))
            answer({"username": name, "mail": sent, "expires_in": accounts.LINK})
        else:
            secret = transaction(pool, lambda: accounts.new_link(name, OPERATOR))
            link = f"{settings.root}/account/reset?ticket={secret}"
            answer({"username": name, "link": link, "expires_in": accounts.LINK})
