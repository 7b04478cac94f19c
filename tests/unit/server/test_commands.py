"""A command that is new has a row in the audit trail, or says why it has none."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from healix_fhir.server.cli.main import app
from tests.support.commands import RUNS, UNRECORDED


def _commands(command: object, *path: str) -> Iterator[str]:
    within = getattr(command, "commands", None)
    if within is None:
        yield " ".join(path)
    else:
        for name, inner in within.items():
            yield from _commands(inner, *path, name)


def test_every_command_is_recorded_or_says_why_not() -> None:
    """What changes or shows something is run by a test that looks for its row; the others have a reason each."""
    there = set(_commands(typer.main.get_command(app)))
    recorded = {run.command for run in RUNS}
    assert there == recorded | UNRECORDED.keys()
    assert not recorded & UNRECORDED.keys()
