"""What the command `healix` loads before it knows what it is to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("pydicom", "numpy", "alembic", "starlette")
PROGRAM = "import sys, healix_fhir.server.cli.main; print(*sys.modules)"


def test_a_command_loads_what_it_needs() -> None:
    """The supervisor, the workers and every command start from here, so what only some of them need comes later."""
    loaded = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    assert "healix_fhir.server.cli.main" in loaded
    assert [name for name in HEAVY if name in loaded] == []


ALONE = """
import os, healix_fhir.server.parts
healix_fhir.server.parts.load()
print(len(os.listdir("/proc/self/task")))
"""


def test_what_is_forked_is_loaded_without_threads() -> None:
    """A thread that loading started would be missing in each fork; those of matrices alone come back by themselves."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ALONE]
    assert subprocess.run(command, capture_output=True, check=True, env=environment).stdout == b"1\n"


SELDOM = ("graphql", "pyarrow", "pandas", "arro3", "typst", "rich", "pygments")


@pytest.mark.parametrize("process", ["app", "worker"])
def test_a_process_loads_what_every_server_needs(process: str) -> None:
    """What only the caller of one operation needs, or a console, is not loaded at the start."""
    program = f"import sys, healix_fhir.server.{process}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "healix_fhir.operation.registry" in loaded
    assert [name for name in SELDOM if name in loaded] == []
