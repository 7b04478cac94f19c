"""The PyPI program smart-fetch, which research groups fetch bulk data with: Backend Services and an export of a Group.

Spec: HL7 Bulk Data Access 2.0.0 export.html; SMART App Launch 2.2 backend-services.html
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.support.other_python import installed
from tests.support.serve import Served, healix

PATIENCE = 120
SCOPE = "system/*.rs"


@pytest.fixture(scope="module")
def program() -> Path:
    """The program, in an environment of its own."""
    return installed("smart-fetch==1.0.3", "smart-fetch")


@pytest.fixture
def registered(served: Served, tmp_path: Path) -> list[str]:
    """What tells the program who it is: a service registered with a key of its own."""
    key = ECKey.generate_key("P-384", {"kid": "smart-fetch", "alg": "ES384", "use": "sig"})
    private = key.as_dict(private=True) | {"key_ops": ["sign"]}
    public = key.as_dict(private=False)
    for name, keys in (("private", [private]), ("public", [public])):
        (tmp_path / f"{name}.jwks").write_text(json.dumps({"keys": keys}))
    done = healix(
        served.data_dir, "client", "create", "--name", "Fetch", "--auth", "private_key_jwt", "--scope", SCOPE,
        "--grant", "client_credentials", "--jwks-file", str(tmp_path / "public.jwks"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return ["--smart-client-id", json.loads(done.stdout)["client_id"], "--smart-key", str(tmp_path / "private.jwks")]


@pytest.fixture
def group(served: Served) -> dict[str, Any]:
    """A group of two patients, each with an Observation, and a third who is in none."""
    with served.client(served.token("system/*.cruds")) as client:
        entries: list[dict[str, Any]] = []
        for name in ("one", "two", "three"):
            observation = {
                "resourceType": "Observation",
                "id": f"fetched-{name}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
                "category": [{"coding": [{"code": "vital-signs"}]}],
                "subject": {"reference": f"Patient/fetched-{name}"},
            }
            entries += [{"resourceType": "Patient", "id": f"fetched-{name}"}, observation]
        members = [{"entity": {"reference": f"Patient/fetched-{name}"}} for name in ("one", "two")]
        group = {"resourceType": "Group", "id": "fetched", "type": "person", "actual": True, "member": members}
        for one in (*entries, group):
            assert client.put(f"/fhir/{one['resourceType']}/{one['id']}", json=one).is_success
    return group


def lines(directory: Path, type_name: str) -> list[dict[str, Any]]:
    """The resources of the files of a type."""
    found = [path for path in sorted(directory.rglob("*.ndjson")) if path.name.startswith(type_name)]
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


@pytest.mark.timeout(240)  # the environment is made once
@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#bulk-data-export-operation-request-flow")
def test_a_group_is_fetched(
    served: Served, program: Path, registered: list[str], group: dict[str, Any], tmp_path: Path
) -> None:
    """The program gets a token with its key, exports a Group, waits, and has the files with what they should hold."""
    out = tmp_path / "out"
    options = ["--fhir-url", f"{served.url}/fhir", "--group", group["id"], "--no-compression", *registered]
    done = subprocess.run(
        [program, "bulk", *options, "--type", "Patient,Observation", str(out)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(one["id"] for one in lines(out, "Patient")) == ["fetched-one", "fetched-two"]
    assert sorted(one["id"] for one in lines(out, "Observation")) == ["fetched-one", "fetched-two"]
    log = [json.loads(line) for line in (out / "log.ndjson").read_text().splitlines()]
    events = [one["eventId"] for one in log]
    assert events[0] == "kickoff"
    assert events[-1] == "export_complete"
    assert "download_error" not in events
