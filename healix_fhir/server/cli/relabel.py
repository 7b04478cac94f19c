"""`healix study relabel`, `move`, `undo` and `relabelled`: other labels for stored images, and other studies."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from healix_fhir.kernel.audit import OPERATOR
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.cli.console import DataDir, answer, database, recorded
from healix_fhir.server.cli.studies import ACCESS, Study
from healix_fhir.server.reasons import stop

app = typer.Typer()
Reason = Annotated[str, typer.Option(help="Why; it is in the audit trail.")]


@app.command("relabel")
def relabel_command(
    study: Study,
    reason: Reason,
    label: Annotated[
        list[str] | None, typer.Option("--set", help="KEYWORD=VALUE, e.g. PatientID=4711; may be repeated.")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="Take the labels from this Patient's record.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write other labels into a study's objects; what was replaced is kept, and can be brought back."""
    _changed(data_dir, study, (), None, label or (), patient, reason)


@app.command("move")
def move_command(
    study: Study,
    to: Annotated[str, typer.Option(help="The StudyInstanceUID to go to; `new` makes one.")],
    reason: Reason,
    series: Annotated[list[str] | None, typer.Option(help="Only this series; may be repeated.")] = None,
    label: Annotated[
        list[str] | None, typer.Option("--set", help="KEYWORD=VALUE, for a study that is new; may be repeated.")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="Take its labels from this Patient's record.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Move series, or a whole study, to another study, whose labels they take; references follow."""
    _changed(data_dir, study, series or (), to, label or (), patient, reason)


@app.command("undo")
def undo_command(
    number: Annotated[int, typer.Argument(help="The number of the change.")], data_dir: DataDir = None
) -> None:
    """Take a change of labels back: the objects are again what they were, byte for byte."""
    from dicomweb.study.relabel.asked import describe
    from dicomweb.study.relabel.undo import undo

    with database(data_dir) as (_, pool):
        answer(describe(transaction(pool, lambda: undo(ACCESS, number))))


@app.command("relabelled")
def relabelled_command(data_dir: DataDir = None) -> None:
    """List the changes of labels; the newest first."""
    from dicomweb.study.relabel.asked import describe, relabellings

    with database(data_dir) as (_, pool):
        found = transaction(pool, lambda: relabellings(ACCESS))
        recorded(pool, "R", "study relabelled")
        answer({"changes": [describe(one) for one in found]})


def _changed(
    data_dir: Path | None,
    study: str,
    series: Sequence[str],
    target: str | None,
    given: Sequence[str],
    patient: str | None,
    reason: str,
) -> None:
    """Ask for the change, and make it at once."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from dicomweb.archive.opening import open_archive
    from dicomweb.index.further import read
    from dicomweb.study.receive import Receiver
    from dicomweb.study.relabel.asked import ask, describe
    from dicomweb.study.relabel.perform import perform
    from healix_fhir.imaging.labels import labels_of

    with database(data_dir) as (settings, pool):
        labels = dict(transaction(pool, lambda: labels_of(patient.removeprefix("Patient/")))) if patient else {}
        labels |= _labels(given)
        number = transaction(
            pool, lambda: ask(ACCESS, study, series=series, target=target, labels=labels, reason=reason)
        )
        receiver = Receiver(
            open_archive(settings),
            max_object=settings.max_store_gb << 30,
            catalogue=read(settings.dicom_attributes),
        )
        columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(file=sys.stderr)) as bar:
            task = bar.add_task("Writing", total=None)
            made = perform(pool, receiver, number, lambda size: bar.advance(task, size), OPERATOR.client or "")
        if made.state == "failed":
            stop(made.message or "the change was not made")
        answer(describe(made))


def _labels(given: Sequence[str]) -> Mapping[str, str]:
    return dict(_label(one) for one in given)


def _label(given: str) -> tuple[str, str]:
    keyword, sign, value = given.partition("=")
    if not sign:
        raise invalid("--set takes KEYWORD=VALUE")
    return keyword.strip(), value
