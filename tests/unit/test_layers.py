"""The layers are enforced: each contract of .importlinter fails on a planted import."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("healix_fhir", "dicomweb", "smart_auth", "conformance")

PLANTED = {
    "The direction of dependency": ("healix_fhir/store/index.py", "healix_fhir.search.query"),
    "The study store uses only": ("dicomweb/uid.py", "healix_fhir.model.json"),
    "Identity and access use only": ("smart_auth/scope.py", "dicomweb.uid"),
    "Only imaging, care, pages and server": ("healix_fhir/api/prefer.py", "dicomweb.uid"),
    "The black-box checks know nothing": ("conformance/check.py", "healix_fhir.kernel.ids"),
    "FastAPI and Starlette stay": ("healix_fhir/interaction/result.py", "starlette.requests"),
    "pynetdicom stays": ("dicomweb/study/query.py", "pynetdicom"),
    "Documents are set in one place": ("healix_fhir/pages/render.py", "typst"),
}
"""The beginning of each contract's name, a file, and an import there that breaks it."""


@pytest.mark.parametrize("contract", PLANTED)
def test_contract_fails_on_a_planted_import(contract: str, tmp_path: Path) -> None:
    """The contract is reported as broken when a module imports what it must not."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    place, imported = PLANTED[contract]
    with (tmp_path / place).open("a", encoding="utf-8") as file:
        file.write(f"\nimport {imported}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert [line for line in broken if line.startswith(contract)], done.stdout


def test_every_contract_is_planted() -> None:
    """No contract is without its planted import."""
    lines = (ROOT / ".importlinter").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[2].strip() for line in lines if line.startswith("name")]
    assert len(names) == len(PLANTED)
    assert all(any(name.startswith(contract) for contract in PLANTED) for name in names)
