"""Rounds of faults under load, each followed by a check; the table of what was done and found."""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.checker import Checker
from tests.faults.clients import Clients, observation
from tests.faults.injuries import Fault, node_url
from tests.faults.ledger import Ledger
from tests.faults.node import Node
from tests.faults.proxy import before_port
from tests.support.serve import healix, wait_until

LOAD = 0.3
"""Seconds of load before a fault, and after it."""
SCOPE, TTL = "system/*.cruds", 86_400


@dataclass
class Campaign:
    """Clients at work against nodes on one database, faults, and checks."""

    nodes: Sequence[Node]
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    done: Counter[str] = field(default_factory=Counter)
    blamed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    violations: list[str] = field(default_factory=list)
    checks: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        first = self.nodes[0]
        made = healix(first.data_dir, "token", "create", "--scope", SCOPE, "--ttl", str(TTL))
        token = str(json.loads(made.stdout)["access_token"])
        self.client = first.served.client(token)
        self._put("Patient/faults", {"resourceType": "Patient", "id": "faults"})
        self._put("Observation/register-first", observation("first", "first", "faults", id="register-first"))
        self.proxies = [before_port(port) for port in (first.dimse_port, *(node.port for node in self.nodes))]
        for node in self.nodes:
            node.cut_off += [proxy.cut for proxy, _ in self.proxies]
        dimse_port, *ports = [port for _, port in self.proxies]
        self.clients = Clients(ports, dimse_port, token, "faults", self.ledger)
        self.checker = Checker(first.data_dir, node_url(first), self.client, first.dimse_port, self.violations)

    def _put(self, path: str, resource: object) -> None:
        answer = self.client.put(f"/fhir/{path}", json=resource)
        assert answer.status_code == 201, answer.text

    def round(self, faults: Sequence[Fault], haste: float = 0.0) -> None:
        """Inflict faults one after the other under load, let the server serve, and check. `haste` is the chance that
        one comes while the server has not yet come back from the last.
        """
        self.clients.resume()
        for fault in faults:
            if self.chance.random() >= haste:
                self._wait()
            time.sleep(LOAD * (0.5 + self.chance.random()))  # so that it strikes at any moment of the work
            begun = time.monotonic()
            self.done[fault.name] += fault.inflict(self.chance.choice(self.nodes), self.chance)
            self.seconds[fault.name] += time.monotonic() - begun
        self._wait()
        wait_until(self._serves, "the server to serve again")
        self.clients.pause()
        before = len(self.violations)
        self.checker.check(*self.ledger.turn(), *self.clients.turn())
        self.checks += 1
        self.violations += self.ledger.wrong
        self.ledger.wrong = []
        for name in {fault.name for fault in faults}:
            self.blamed[name] += len(self.violations) - before

    def _wait(self) -> None:
        for node in self.nodes:
            node.wait()

    def _serves(self) -> bool:
        """Whether a request of each kind succeeds."""
        try:
            if self.client.get("/fhir/Patient/faults").status_code != 200:
                return False
            return self.checker.associates()
        except httpx.HTTPError:
            return False

    def end(self) -> None:
        """End the clients and verify the audit trail."""
        self.clients.end()
        self.client.close()
        for proxy, _ in self.proxies:
            proxy.close()
        self.checker.verify_trail()

    def table(self) -> str:
        """What was done and found, as rows of a Markdown table."""
        rows = [f"| {name} | {count} | {self.blamed[name]} |" for name, count in self.done.items()]
        return "\n".join(["| fault | times | violations |", "|---|---|---|", *rows])

    def report(self, path: Path) -> None:
        """Write the figures."""
        path.write_text(
            json.dumps(
                {
                    "faults": dict(self.done),
                    "violations": self.violations,
                    "checks": self.checks,
                    "checked": self.checker.checked,
                    "answers": dict(sorted(self.ledger.answers.items())),
                    "seconds": self.seconds,
                    "restarts": [seconds for node in self.nodes for seconds in node.restarts],
                },
                indent=1,
            )
        )
