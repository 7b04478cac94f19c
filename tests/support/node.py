"""npm packages for tests that drive clients of other makers, installed outside the repository.

A test is skipped, by name of what is missing, where there is no npm or no registry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.tools import require_tool

OLDEST = 20
"""What fhir-kit-client asks for."""

UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ETIMEDOUT")
OPTIONS = ("--omit=optional", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--fetch-retries=1")


def installed(scripts: Path) -> tuple[Path, str]:
    """A folder with the files of `scripts` and the packages of their package.json, and the program node.

    The packages are kept in the user's cache for the next run.
    """
    node, npm = require_tool("node"), require_tool("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"node is {version}, the npm clients need {OLDEST}")
    wanted = (scripts / "package.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "healix-tests"
    folder = cache / f"node-{hashlib.sha256(wanted).hexdigest()[:16]}"
    if not folder.exists():
        _install(npm, wanted, folder)
    for script in scripts.iterdir():
        shutil.copy(script, folder)
    return folder, node


def _install(npm: str, wanted: bytes, folder: Path) -> None:
    """Install into a folder of its own first: one that is interrupted leaves nothing that looks whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        target = Path(temporary) / "packages"
        target.mkdir()
        (target / "package.json").write_bytes(wanted)
        done = subprocess.run(
            [npm, "install", *OPTIONS], cwd=target, capture_output=True, text=True, check=False, timeout=240
        )
        if any(word in done.stderr for word in UNREACHABLE):
            pytest.skip("the npm registry, for the packages of package.json, cannot be reached")
        assert done.returncode == 0, done.stderr
        if not folder.exists():
            target.rename(folder)
