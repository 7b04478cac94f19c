"""`healix research`: projects, and the de-identified copies of studies that their apps see."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from dicomweb.deidentify.options import BurnedIn, Option, PixelRule, Profile, SafePrivate, chosen
from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from smart_auth.access import internal

if TYPE_CHECKING:
    from dicomweb.deidentify.report import Report

app = typer.Typer(help="Research projects and their de-identified copies.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The project.")]
Studies = Annotated[list[str], typer.Argument(help="StudyInstanceUIDs.")]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the report there too, to be read.")]
Processes = Annotated[
    int | None, typer.Option(min=1, max=64, help="Processes at work (default: one for each processor, at most 4).")
]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules, in TOML: where text is burned in, and which private attributes are safe."""

    pixels: tuple[PixelRule, ...] = ()
    private: tuple[SafePrivate, ...] = ()


@app.callback()
def group() -> None:
    """Research projects and their de-identified copies."""


@app.command("create")
def create_command(
    name: Annotated[str, typer.Argument(help="Its name: a-z, 0-9 and -.")],
    option: Annotated[list[str] | None, typer.Option(help="An option of PS3.15 E.3; repeat it.")] = None,
    burned_in: Annotated[
        BurnedIn, typer.Option(help="Images that may have text in them and no rule.")
    ] = BurnedIn.REFUSE,
    rules: Annotated[Path | None, typer.Option(help="TOML file of pixel regions and safe private attributes.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Begin a project: the Basic Profile of PS3.15 with these options."""
    from dicomweb.research.projects import create

    read = rules_of(rules) if rules is not None else Rules()
    with database(data_dir) as (_, pool):
        profile = Profile(chosen(option or ()), burned_in, read.pixels, read.private)
        transaction(pool, lambda: create(name, profile, OPERATOR))
        if profile.safe_private and Option.SAFE_PRIVATE not in profile.options:
            said = f"The [[private]] rules keep nothing: the project has not --option {Option.SAFE_PRIVATE.value}."
            typer.echo(said, err=True)
        answer({"project": name, "profile": [code for code, _ in profile.codes], "burned_in": burned_in.value})


@app.command("list")
def list_command(data_dir: DataDir = None) -> None:
    """List projects, with what they have."""
    from dicomweb.research.projects import listed

    with database(data_dir) as (_, pool):
        found = transaction(pool, listed)
        recorded(pool, "R", "research list")
        answer({"projects": [msgspec.to_builtins(one) | {"created": instant(one.created)} for one in found]})


@app.command("delete")
def delete_command(name: Name, data_dir: DataDir = None) -> None:
    """End a project that has neither copies nor apps any more; its secret is gone for good."""
    from dicomweb.research.projects import delete

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: delete(name, OPERATOR))
        answer({"project": name, "deleted": True})


@app.command("add")
def add_command(
    name: Name,
    studies: Studies,
    report: ReportFile = None,
    processes: Processes = None,
    data_dir: DataDir = None,
) -> None:
    """Put de-identified copies of studies into a project; exits with 1 when anything was refused."""
    from dicomweb.archive.opening import open_archive
    from dicomweb.research.copies import make, sources
    from dicomweb.research.projects import find
    from dicomweb.study.receive import Receiver

    with database(data_dir) as (settings, pool):
        project = transaction(pool, lambda: find(name))
        found = transaction(pool, lambda: sources(internal(OPERATOR.client or ""), studies))
        with progress("De-identifying", sum(one.size for one in found)) as advance:
            made = make(
                pool,
                Receiver(open_archive(settings)),
                project,
                found,
                processes=processes or at_work(),
                advance=advance,
            )
        recorded(pool, "C", " ".join(["research add", *studies]), f"research/{name}")
        finish({"project": name}, made, report)


@app.command("remove")
def remove_command(name: Name, studies: Studies, data_dir: DataDir = None) -> None:
    """Take the copies of studies out of a project, by their own UIDs or those of their originals."""
    from dicomweb.research.copies import remove
    from dicomweb.research.projects import find

    with database(data_dir) as (_, pool):
        project = transaction(pool, lambda: find(name))
        gone = transaction(pool, lambda: remove(project, studies))
        recorded(pool, "D", " ".join(["research remove", *studies]), f"research/{name}")
        answer({"project": name, "deleted": gone})


@app.command("bind")
def bind_command(
    client_id: Annotated[str, typer.Argument(help="client_id")],
    project: Annotated[str | None, typer.Option(help="The project; without it, none any more.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an app one of research: all its tokens see the copies of the project, and nothing else."""
    from smart_auth.research import bind
    from smart_auth.store import CHANNEL

    with database(data_dir) as (_, pool):
        transaction(pool, lambda: bind(client_id, project, OPERATOR, CHANNEL))
        answer({"client_id": client_id, "project": project})


def rules_of(file: Path) -> Rules:
    """The rules of a file. Raises Invalid."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Rules)
    except OSError as error:
        raise invalid(f"{file} cannot be read") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeError) as error:
        raise invalid(f"{file} is no file of rules: {error}") from error


def at_work() -> int:
    """The processes that de-identify, where nobody says it."""
    return min(4, os.cpu_count() or 1)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; it is told how many bytes are done, or without a total how many items."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    told = (TransferSpeedColumn(), TimeRemainingColumn()) if total is not None else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *told)
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda size: bar.advance(task, size)


def finish(result: dict[str, object], report: Report, file: Path | None) -> None:
    """Answer with a report, and write it to a file that is named; exit with 1 when anything was refused."""
    if file is not None:
        try:
            file.write_text(report.as_text(), encoding="utf-8")
        except OSError as error:
            raise invalid(f"{file} cannot be written") from error
    answer(result | {"report": report.as_json()})
    if report.refused:
        raise typer.Exit(1)
