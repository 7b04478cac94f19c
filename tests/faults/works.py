"""Long works that clients ask for again and again while faults come: an export, an import, a renewal of the index.

Each call of one takes a step and returns, so that a client can be paused between two. What is there when a work is done
follows from what was asked for: files that hold each resource once, as many as the manifest says; every line stored
once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx

from tests.faults.ledger import Ledger
from tests.support.bulk import ASYNC, FHIR

Send: TypeAlias = Callable[..., httpx.Response | None]
"""Makes a request of a client; None where it is not known what became of it."""

PEOPLE, PART = 2000, 500
"""Patients that are there before the faults, which are what is exported; and how many of them a transaction stores."""
LINES = 300
"""Lines of an import."""
PATIENCE = 240.0
"""Seconds of asking after which a work that is not done is one that will never be."""
SYSTEM = "urn:healix:faults:works"


def people(part: int) -> dict[str, Any]:
    """A transaction that stores some of the patients."""
    ids = [f"exported-{n}" for n in range(part * PART, (part + 1) * PART)]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": {"resourceType": "Patient", "id": id_, "name": [{"family": id_}]},
                "request": {"method": "PUT", "url": f"Patient/{id_}"},
            }
            for id_ in ids
        ],
    }


@dataclass
class Work:
    """One work under way: where its status is, and how long it was asked for."""

    ledger: Ledger
    send: Send
    status: str | None = None
    asked: float = 0.0
    number: int = field(default=0)

    def step(self, client: httpx.Client) -> None:
        """Begin, or ask how far it is, or check what it has made."""
        begun = time.monotonic()
        if self.status is None:
            self.number += 1
            self.status = self.begin(client)
            self.asked = 0.0
            return
        answer = self.send(client, "GET", self.status)
        if answer is not None and answer.status_code == 200 and self.check(client, answer.json()):
            self.ledger.count(f"{self.name}: done")
            self.status = None
        elif answer is not None and answer.status_code not in (200, 202, 429):
            self._wrong(f"{answer.status_code} {answer.text[:300]}")
            self.status = None
        if self.status is None:
            return
        time.sleep(0.3)  # who is told to wait waits
        self.asked += time.monotonic() - begun
        if self.asked > PATIENCE:
            self._wrong(f"not done after {PATIENCE:g} s of asking: {'' if answer is None else answer.headers}")
            self.status = None

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        return type(self).__name__.lower()

    def begin(self, client: httpx.Client) -> str | None:
        """Ask for it; the path of its status, None where that did not succeed."""
        raise NotImplementedError

    def check(self, client: httpx.Client, done: dict[str, Any]) -> bool:
        """Compare what it made with what was asked for; False where that could not be read now."""
        raise NotImplementedError

    def _begun(self, answer: httpx.Response | None) -> str | None:
        if answer is None or answer.status_code == 429:
            return None
        if answer.status_code != 202:
            self._wrong(f"{answer.status_code} {answer.text[:300]}")
            return None
        return httpx.URL(answer.headers["content-location"]).raw_path.decode()

    def _wrong(self, text: str) -> None:
        self.ledger.blame(f"{self.name} {self.number} at {self.status}: {text}")


class Export(Work):
    """All patients that were there before, as NDJSON."""

    def begin(self, client: httpx.Client) -> str | None:
        """Kick it off."""
        return self._begun(self.send(client, "GET", "/fhir/$export?_type=Patient", headers=ASYNC))

    def check(self, client: httpx.Client, done: dict[str, Any]) -> bool:
        """Every patient is in it, each once."""
        ids: list[str] = []
        for item in done["output"]:
            file = self.send(client, "GET", httpx.URL(item["url"]).raw_path.decode())
            if file is None:
                return False
            lines = file.text.splitlines() if file.status_code == 200 else []
            if len(lines) != item["count"]:
                self._wrong(f"{file.status_code}: {len(lines)} lines where the manifest says {item['count']}")
            ids += [json.loads(line)["id"] for line in lines]
        wanted = {f"exported-{n}" for n in range(PEOPLE)}
        found = [id_ for id_ in ids if id_ in wanted]
        if len(found) != PEOPLE or set(found) != wanted or len(set(ids)) != len(ids):
            self._wrong(f"{len(ids)} lines, {len(set(found))} of {PEOPLE} patients")
        if done["error"]:
            self._wrong(f"errors: {done['error']}")
        return True


class Import(Work):
    """Some resources of one key, and one line that is none."""

    @property
    def key(self) -> str:
        """What is found by it."""
        return f"import-{id(self)}-{self.number}"

    def begin(self, client: httpx.Client) -> str | None:
        """Upload the lines, and kick it off."""
        lines = [
            {
                "resourceType": "Basic",
                "id": f"{self.key}-{n}",
                "identifier": [{"system": SYSTEM, "value": self.key}],
                "code": {"text": "imported"},
            }
            for n in range(LINES)
        ]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, {"resourceType": "Basic"}])
        stored = self.send(
            client, "POST", "/bulk/uploads", content=content, headers={"Content-Type": "application/fhir+ndjson"}
        )
        if stored is None or stored.status_code != 201:
            return None
        parts = [{"name": "type", "valueCode": "Basic"}, {"name": "url", "valueUrl": stored.headers["location"]}]
        asked = {"resourceType": "Parameters", "parameter": [{"name": "input", "part": parts}]}
        return self._begun(self.send(client, "POST", "/fhir/$import", content=json.dumps(asked), headers=ASYNC | FHIR))

    def check(self, client: httpx.Client, done: dict[str, Any]) -> bool:
        """Each line is stored once, and the last is told of."""
        path = f"/fhir/Basic?identifier={SYSTEM}|{self.key}&_count=1000&_elements=identifier"
        answer = self.send(client, "GET", path)
        if answer is None:
            return False
        versions = [entry["resource"]["meta"]["versionId"] for entry in answer.json().get("entry", [])]
        told = [item["count"] for item in done["output"]], [item["count"] for item in done["error"]]
        if versions != ["1"] * LINES or told != ([LINES], [1]):
            self._wrong(f"{len(versions)} of {LINES} stored, {sum(v != '1' for v in versions)} again; it says {told}")
        return True


class Reindex(Work):
    """The index of all resources, while they are written and searched; what others find tells whether it is whole."""

    def begin(self, client: httpx.Client) -> str | None:
        """Ask for a run, or find the one under way."""
        return self._begun(self.send(client, "POST", "/fhir/$reindex", headers=FHIR))

    def check(self, client: httpx.Client, done: dict[str, Any]) -> bool:
        """It came to its end, and not into nothing."""
        told = {one["name"]: next(value for key, value in one.items() if key != "name") for one in done["parameter"]}
        if told["state"] != "finished" or told["done"] < PEOPLE:
            self._wrong(str(told))
        return True
