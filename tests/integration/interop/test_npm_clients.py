"""The npm packages fhir-kit-client and fhirclient, as other people's applications use them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import installed
from tests.support.serve import Served

SCRIPTS = Path(__file__).parent / "node"
DAYS = [f"{day:02}" for day in range(12, 0, -1)]

KIT: dict[str, Any] = {
    "metadata": "4.0.1",
    "create": "1",
    "read": "Kit",
    "patch": "male",
    "update": "3",
    "stale": [412, "OperationOutcome", "conflict"],
    "conditionalUpdate": "4",
    "vread": None,
    "history": ["4", "3", "2", "1"],
    "transaction": ["201 Created"],
    "batch": ["200 OK", "404 Not Found"],
    "search": {
        "token": 12,
        "date": 2,
        "quantity": 2,
        "reference": 12,
        "chain": 12,
        "post": 12,
        "compartment": 12,
        "include": 13,
        "system": 1,
    },
    "pages": [DAYS[:5], DAYS[5:10], DAYS[10:]],
    "validate": "error",
    "invalid": [400, "OperationOutcome", "code-invalid"],
    "deleted": [410, "OperationOutcome", "deleted"],
    "unknownType": [404, "OperationOutcome", "not-found"],
    "stranger": [401, "OperationOutcome", "login"],
}
SMART: dict[str, Any] = {
    "metadata": "4.0.1",
    "create": "1",
    "read": "Smart",
    "patch": "male",
    "update": "3",
    "stale": [412, True],
    "history": ["3", "2", "1"],
    "transaction": ["201 Created"],
    "pages": DAYS,
    "search": {"token": 12, "date": 2, "chain": 12, "missing": 0},
    "resolved": "Smart",
    "invalid": [400, True],
    "deleted": [410, True],
    "stranger": [401, True],
}


def driven(served: Served, script: str) -> dict[str, Any]:
    """What a script saw of the server, by step."""
    folder, node = installed(SCRIPTS)
    command = [node, str(folder / script), f"{served.url}/fhir", served.token("system/*.cruds")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture(scope="module")
def kit(served: Served) -> dict[str, Any]:
    """What fhir-kit-client saw."""
    return driven(served, "fhir-kit-client.mjs")


@pytest.fixture(scope="module")
def smart(served: Served) -> dict[str, Any]:
    """What fhirclient saw."""
    return driven(served, "fhirclient.cjs")


@pytest.mark.parametrize("step", KIT)
def test_fhir_kit_client(kit: dict[str, Any], step: str) -> None:
    """An application on fhir-kit-client sees what the standard says."""
    assert kit[step] == KIT[step]


@pytest.mark.parametrize("step", SMART)
def test_fhirclient(smart: dict[str, Any], step: str) -> None:
    """An application on fhirclient sees what the standard says."""
    assert smart[step] == SMART[step]
