"""Programs of PyPI that other people run, each in a virtual environment of its own outside the repository.

They bring libraries of their own, in their own versions. They are kept in the user's cache for the next run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def installed(package: str, command: str) -> Path:
    """The path of a command of a package, installed when it is first asked for; the test is skipped where it cannot be.

    `package` has its version: what is there already is not asked for again.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "healix-tests"
    directory = cache / f"python-{package}"
    path = directory / "bin" / command
    if not path.exists():
        commands = (
            [sys.executable, "-m", "venv", str(directory)],
            [str(directory / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", package],
        )
        for one in commands:
            if subprocess.run(one, capture_output=True, check=False).returncode != 0:
                pytest.skip(f"{package} cannot be installed")
    return path
