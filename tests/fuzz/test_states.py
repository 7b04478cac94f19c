"""Any sequence of interactions leaves what a small model says: versions, deletions, preconditions, all or nothing.

`make fuzz CASES=100000` makes a twentieth of so many sequences of twenty steps.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.serve import serving

CASES = int(os.environ.get("HEALIX_FUZZ_CASES", "2000"))
STEPS = 20
RUNS = itertools.count()
CODE = "urn:healix:fuzz"
NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["x", "y", "ü", "日本"])

pytestmark = [pytest.mark.long, pytest.mark.timeout(0)]


class Interactions(RuleBasedStateMachine):
    """Three resources; `versions` are their values, oldest first, None for a deletion."""

    http: ClassVar[httpx.Client]
    asked: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.run = next(RUNS)
        self.versions: dict[str, list[str | None]] = {name: [] for name in "abc"}

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """A request, which never fails within the server."""
        type(self).asked += 1
        answer = self.http.request(method, f"/fhir{path}", **content)
        assert answer.status_code < 500, answer.text
        return answer

    def url(self, name: str) -> str:
        """The address of a resource of this run."""
        return f"Basic/fuzz-{self.run}-{name}"

    def resource(self, name: str, value: str) -> dict[str, Any]:
        """A resource that says `value`."""
        coding = [{"system": CODE, "code": f"run-{self.run}"}]
        return {"resourceType": "Basic", "id": self.url(name)[6:], "code": {"coding": coding, "text": value}}

    def put(self, name: str, value: str) -> int:
        """What an update that is made adds to the model; the status that tells of it."""
        before = self.versions[name]
        is_new = not before or before[-1] is None
        if is_new or before[-1] != value:
            before.append(value)
        return 201 if is_new else 200

    @rule(name=NAMES, value=VALUES)
    def update(self, name: str, value: str) -> None:
        """Update as create; what says the same adds no version."""
        answer = self.ask("PUT", f"/{self.url(name)}", json=self.resource(name, value))
        assert answer.status_code == self.put(name, value)
        assert answer.headers["etag"] == f'W/"{len(self.versions[name])}"'

    @rule(name=NAMES, value=VALUES, version=st.integers(1, 5))
    def update_if(self, name: str, value: str, version: int) -> None:
        """With If-Match only the last version."""
        before = self.versions[name]
        if before and before[-1] is None:
            return  # R4 leaves open whether a deletion is a version that can be matched
        answer = self.ask(
            "PUT", f"/{self.url(name)}", json=self.resource(name, value), headers={"If-Match": f'W/"{version}"'}
        )
        assert answer.status_code == (self.put(name, value) if version == len(before) else 412)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """Deleting what is not there changes nothing."""
        answer = self.ask("DELETE", f"/{self.url(name)}")
        assert answer.status_code in (200, 204)
        if self.versions[name] and self.versions[name][-1] is not None:
            self.versions[name].append(None)

    @rule(values=st.dictionaries(NAMES, VALUES, min_size=1), spoiled=st.booleans())
    def transaction(self, values: dict[str, str], spoiled: bool) -> None:
        """All, or nothing where one entry's precondition fails."""
        entries = [
            {"resource": self.resource(name, value), "request": {"method": "PUT", "url": self.url(name)}}
            for name, value in values.items()
        ]
        if spoiled:
            other = self.resource("d", "never")
            request = {"method": "PUT", "url": self.url("d"), "ifMatch": 'W/"9"'}
            entries.append({"resource": other, "request": request})
        answer = self.ask("POST", "", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status_code == (412 if spoiled else 200), answer.text
        if not spoiled:
            statuses = [int(entry["response"]["status"][:3]) for entry in answer.json()["entry"]]
            assert statuses == [self.put(name, value) for name, value in values.items()]

    @rule(name=NAMES)
    def read(self, name: str) -> None:
        """The last version, 410 after a deletion, 404 before anything."""
        answer = self.ask("GET", f"/{self.url(name)}")
        last = self.versions[name][-1] if self.versions[name] else None
        status = 404 if not self.versions[name] else 410 if last is None else 200
        assert answer.status_code == status
        assert last is None or answer.json()["code"]["text"] == last

    @rule(name=NAMES, number=st.integers(1, 6))
    def vread(self, name: str, number: int) -> None:
        """Each version stays what it was."""
        answer = self.ask("GET", f"/{self.url(name)}/_history/{number}")
        versions = self.versions[name]
        if number > len(versions):
            assert answer.status_code == 404
        else:
            value = versions[number - 1]
            assert answer.status_code == (410 if value is None else 200)
            assert value is None or answer.json()["code"]["text"] == value

    @rule(name=NAMES)
    def history(self, name: str) -> None:
        """All versions, the last first."""
        answer = self.ask("GET", f"/{self.url(name)}/_history")
        if self.versions[name]:
            entries = [entry.get("resource", {}).get("code", {}).get("text") for entry in answer.json()["entry"]]
            assert entries == self.versions[name][::-1]
        else:
            assert answer.status_code == 404

    @rule()
    def search(self) -> None:
        """What is there now, and nothing else."""
        answer = self.ask("GET", f"/Basic?code={CODE}|run-{self.run}")
        resources = [entry["resource"] for entry in answer.json().get("entry", [])]
        found = {resource["id"][-1]: resource["code"]["text"] for resource in resources}
        assert found == {name: last[-1] for name, last in self.versions.items() if last and last[-1] is not None}


def test_any_sequence_of_interactions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the server tells after any of them is what the model tells."""
    with serving(tmp_path / "data", "--workers", "1") as server:
        with server.client(server.token("system/*.cruds")) as Interactions.http:
            run_state_machine_as_test(
                Interactions,
                settings=settings(
                    max_examples=max(1, CASES // STEPS),
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
        assert "Traceback" not in server.log.read_text()
    with capsys.disabled():
        print(f"\n{Interactions.asked} interactions")  # noqa: T201 - the figure is the result
