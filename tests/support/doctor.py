"""`healix doctor` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from healix_fhir.server.cli.main import app


def doctor(url: str, data_dir: Path, **settings: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Run the command: its exit code, and by what it is about, how that is and what is said."""
    env = {"HEALIX_DATABASE_URL": url} | {f"HEALIX_{name.upper()}": value for name, value in settings.items()}
    done = CliRunner().invoke(app, ["doctor", "--data-dir", str(data_dir)], env=env)
    assert done.stdout, (done.stderr, done.exception)
    told: dict[str, Any] = json.loads(done.stdout)
    assert len(done.stderr.splitlines()) >= len(told["findings"])
    return done.exit_code, {found["about"]: (found["state"], found["says"]) for found in told["findings"]}
