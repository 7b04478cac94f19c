"""`healix sync`: servers that get what changes here, how far they are, and what is to be decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.named_rules import ACCESS, Keeping, Name, Repeated, commands

if TYPE_CHECKING:
    from healix_fhir.care.sync.upstream import Upstream


def _keeping() -> Keeping[Upstream]:
    from healix_fhir.care.sync.upstream import put, remove, upstreams

    return Keeping(put, remove, upstreams)


app = commands(
    "sync",
    "Servers that get what changes here.",
    _keeping,
    key="upstreams",
    removal="Remove an upstream, and what is known of what it has.",
)


@app.command("add")
def add_command(
    name: Name,
    fhir: Annotated[str | None, typer.Option(help="FHIR base URL.")] = None,
    dicomweb: Annotated[str | None, typer.Option(help="DICOMweb base URL, for images.")] = None,
    client: Annotated[str | None, typer.Option(help="client_id of SMART Backend Services there.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The client's private key, a JWK.")] = None,
    token_url: Annotated[str | None, typer.Option(help="Token URL, where the FHIR base does not tell it.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file with a bearer token, instead of a client.")] = None,
    type_: Annotated[Repeated, typer.Option("--type", help="Only resources of this type; may be repeated.")] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Nothing of what is here already.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="It may be in a private network, and without TLS.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Add an upstream, which gets what is here and what changes; or change the one of its name."""
    from healix_fhir.care.sync.upstream import Upstream, put

    upstream = Upstream(
        name,
        _plain(fhir),
        _plain(dicomweb),
        private,
        client,
        token_url,
        str(key_file.resolve()) if key_file else None,
        str(token_file.resolve()) if token_file else None,
        tuple(type_ or ()),
    )
    with database(data_dir) as (_, pool):
        transaction(pool, lambda: put(ACCESS, upstream, everything=not only_new))
        answer(msgspec.to_builtins(upstream))


@app.command("status")
def status_command(data_dir: DataDir = None) -> None:
    """How far each upstream is: what waits, since when, what it took last, and why it takes nothing."""
    from healix_fhir.care.sync.standing import shown, standing

    with database(data_dir) as (_, pool):
        found = transaction(pool, standing)
        recorded(pool, "R", "sync status")
        answer({"upstreams": [shown(one) for one in found]})


@app.command("retry")
def retry_command(name: Name, data_dir: DataDir = None) -> None:
    """Call an upstream now, and send it once more what it refused."""
    from healix_fhir.care.sync.upstream import retry

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: retry(OPERATOR, name))
        answer({"name": name, "retried": True})


@app.command("conflicts")
def conflicts_command(data_dir: DataDir = None) -> None:
    """List what an upstream did not take, with both versions."""
    from healix_fhir.care.sync.conflicts import conflicts

    with database(data_dir) as (_, pool):
        found = transaction(pool, conflicts)
        recorded(pool, "R", "sync conflicts")
        answer({"conflicts": [msgspec.to_builtins(one) | {"differs": one.differs} for one in found]})


@app.command("resolve")
def resolve_command(
    name: Name,
    resource: Annotated[str, typer.Argument(help="TYPE/ID.")],
    keep: Annotated[str, typer.Option(help="ours, theirs or neither.")],
    data_dir: DataDir = None,
) -> None:
    """Decide a conflict: send ours over theirs, take theirs, or leave both as they are."""
    from healix_fhir.care.sync.conflicts import Keep, resolve

    type_name, _, id_ = resource.partition("/")
    if keep not in list(Keep):
        raise invalid("keep ours, theirs or neither")
    with database(data_dir) as (settings, pool):
        bases = (settings.fhir_base,)
        transaction(pool, lambda: resolve(OPERATOR, name, type_name, id_, Keep(keep), bases, version=None))
        answer({"name": name, "resource": resource, "kept": keep})


def _plain(url: str | None) -> str | None:
    return url.rstrip("/") if url else None
