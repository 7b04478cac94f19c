"""Rules that an operator keeps under names (routes, prefetch, retention): how they are added, listed and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from smart_auth.access import AccessContext, internal

if TYPE_CHECKING:
    from healix_fhir.kernel.database import Work

Rule = TypeVar("Rule")
Name = Annotated[str, typer.Argument(help="The name of the rule.")]
Repeated = list[str] | None
ACCESS = internal(OPERATOR.client or "")


@dataclass(frozen=True, slots=True)
class Keeping(Generic[Rule]):
    """The use cases of a kind of rules: to add or replace one, to remove one by name, and all; how one is shown."""

    put: Callable[[AccessContext, Rule], Work[None]]
    remove: Callable[[AccessContext, str], Work[None]]
    rules: Callable[[], Work[Sequence[Rule]]]
    shown: Callable[[Rule], Mapping[str, Any]] = msgspec.to_builtins


def add(keeping: Keeping[Rule], rule: Rule, data_dir: Path | None, *, peer: str | None = None) -> None:
    """Add a rule, or replace the one of its name; it may come before the `peer` that it names, which is said."""
    from dicomweb.dimse.peers import find

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: keeping.put(ACCESS, rule))
        if peer is not None and transaction(pool, lambda: find(peer)) is None:
            typer.echo(
                f"No peer {peer} is known yet, and nothing goes by this rule until it is: healix peer add", err=True
            )
        answer(keeping.shown(rule))


def commands(group: str, about: str, keeping: Callable[[], Keeping[Any]], *, key: str, removal: str) -> typer.Typer:
    """`healix GROUP remove` and `list`, which answers under `key`; `keeping` imports what the use cases need."""
    app = typer.Typer(help=about, no_args_is_help=True)
    app.callback(help=about)(_group)

    @app.command("remove", help=removal)
    def remove_command(name: Name, data_dir: DataDir = None) -> None:
        with database(data_dir) as (_, pool):
            transaction(pool, lambda: keeping().remove(ACCESS, name))
            answer({"name": name, "removed": True})

    @app.command("list", help="List the rules.")
    def list_command(data_dir: DataDir = None) -> None:
        kept = keeping()
        with database(data_dir) as (_, pool):
            found = transaction(pool, kept.rules)
            recorded(pool, "R", f"{group} list")
            answer({key: [kept.shown(one) for one in found]})

    return app


def _group() -> None:
    """Nothing of its own: there are commands below it."""
