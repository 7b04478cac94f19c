"""`healix retention`: how long studies are kept."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from smart_auth.access import internal

app = typer.Typer(help="How long studies are kept.", no_args_is_help=True)

ACCESS = internal(OPERATOR.client or "")
LISTED = 1000
Name = Annotated[str, typer.Argument(help="The name of the rule.")]


@app.callback()
def group() -> None:
    """How long studies are kept."""


@app.command("add")
def add(
    name: Name,
    days: Annotated[int, typer.Option(min=1, help="Days after that of the study.")],
    modality: Annotated[
        list[str] | None, typer.Option(help="Only studies with this modality; may be repeated.")
    ] = None,
    institution: Annotated[str | None, typer.Option(help="Only studies of this InstitutionName.")] = None,
    until_age: Annotated[int | None, typer.Option(help="And at least until the patient is so many years old.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Add a rule, or replace the one of its name. The rule that keeps a study longest decides; without one it stays."""
    from dicomweb.study.retention import Rule, put

    rule = Rule(name, days, tuple(modality) if modality else None, institution, until_age)
    with database(data_dir) as (_, pool):
        transaction(pool, lambda: put(ACCESS, rule))
        answer(msgspec.to_builtins(rule))


@app.command("remove")
def remove_command(name: Name, data_dir: DataDir = None) -> None:
    """Remove a rule."""
    from dicomweb.study.retention import remove

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: remove(ACCESS, name))
        answer({"name": name, "removed": True})


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """List the rules."""
    from dicomweb.study.retention import rules

    with database(data_dir) as (_, pool):
        found = transaction(pool, rules)
        recorded(pool, "R", "retention list")
        answer({"rules": [msgspec.to_builtins(one) for one in found]})


@app.command("run")
def run_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete the studies whose time is over, as the server does each night; they can be restored for a while."""
    from dicomweb.study.expire import expire, over
    from healix_fhir.kernel import clock

    today = clock.now().date()
    with database(data_dir) as (_, pool), pool.connection() as connection:
        found = over(connection, today) if dry_run else expire(connection, today)
        listed = list(islice(found, LISTED))
        more = sum(1 for _ in found)
        recorded(pool, "R" if dry_run else "D", f"retention run {'--dry-run' if dry_run else ''}")
        answer(
            {
                "dry_run": dry_run,
                "studies": len(listed) + more,
                "expired": [msgspec.to_builtins(one) for one in listed],
            }
        )
