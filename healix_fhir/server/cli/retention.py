"""`healix retention`: how long studies are kept."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.named_rules import Keeping, Name, Repeated, add, commands

if TYPE_CHECKING:
    from dicomweb.study.retention import Rule

LISTED = 1000


def _keeping() -> Keeping[Rule]:
    from dicomweb.study.retention import put, remove, rules

    return Keeping(put, remove, rules)


app = commands("retention", "How long studies are kept.", _keeping, key="rules", removal="Remove a rule.")


@app.command("add")
def add_command(
    name: Name,
    days: Annotated[int, typer.Option(min=1, help="Days after that of the study.")],
    modality: Annotated[Repeated, typer.Option(help="Only studies with this modality; may be repeated.")] = None,
    institution: Annotated[str | None, typer.Option(help="Only studies of this InstitutionName.")] = None,
    until_age: Annotated[int | None, typer.Option(help="And at least until the patient is so many years old.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Add a rule, or replace the one of its name. The rule that keeps a study longest decides; without one it stays."""
    from dicomweb.study.retention import Rule

    rule = Rule(name, days, tuple(modality) if modality else None, institution, until_age)
    add(_keeping(), rule, data_dir)


@app.command("run")
def run_command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete the studies whose time is over, as the server does each night; they can be restored for a while.

    Those that came or changed within 30 days rest first: they are counted as "resting".
    """
    from dicomweb.study.expire import expire, judged, over
    from healix_fhir.kernel import clock

    today = clock.now().date()
    with database(data_dir) as (_, pool), pool.connection() as connection:
        resting = sum(1 for one in judged(connection, today) if one.until >= today)
        found = over(connection, today) if dry_run else expire(connection, today)
        listed = list(islice(found, LISTED))
        more = sum(1 for _ in found)
        recorded(pool, "R" if dry_run else "D", f"retention run {'--dry-run' if dry_run else ''}")
        answer(
            {
                "dry_run": dry_run,
                "studies": len(listed) + more,
                "expired": [msgspec.to_builtins(one) for one in listed],
                "resting": resting,
            }
        )
