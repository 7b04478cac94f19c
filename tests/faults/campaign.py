"""Rounds of faults under load, each followed by a check; the table of what was done and found."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from dicomweb.archive.opening import open_archive
from healix_fhir.kernel.settings import Settings
from tests.faults.checker import Checker, sizes_of_files
from tests.faults.clients import Clients, observation
from tests.faults.injuries import Fault, node_url
from tests.faults.ledger import Ledger
from tests.faults.node import Node
from tests.faults.proxy import before_port
from tests.faults.upstream import Upstream
from tests.faults.works import PART, PEOPLE, people
from tests.support.s3 import Bucket
from tests.support.serve import environment, wait_until

log = logging.getLogger("faults")
log.setLevel(logging.INFO)

WAITS, CHECKS, LEVELLING = "waits", "checks", "levelling"
"""What takes time beside faults: until the server serves again, the checks, and those of the central server."""
LOAD = 0.3
"""Seconds of load before a fault, and after it."""
SCOPE, TTL = "system/*.cruds", 86_400


@dataclass
class Campaign:
    """Clients at work against nodes on one database, faults, and checks.

    With `long_works` they ask for exports, imports and renewals of the index as well. `central` is a server of its own
    that the nodes are kept in step with; it has its share of the faults. `bucket` is where the nodes have their images
    and the files of exports, where that is not the first one's disk.
    """

    nodes: Sequence[Node]
    seed: int
    long_works: bool = False
    central: Node | None = None
    bucket: Bucket | None = None
    ledger: Ledger = field(default_factory=Ledger)
    done: Counter[str] = field(default_factory=Counter)
    blamed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    violations: list[str] = field(default_factory=list)
    checks: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        first = self.nodes[0]
        words = ["token", "create", "--scope", SCOPE, "--ttl", str(TTL), "--data-dir", str(first.data_dir)]
        made = subprocess.run([*first.program, *words], env=environment(), capture_output=True, text=True, check=True)
        token = str(json.loads(made.stdout)["access_token"])
        self.client = first.served.client(token)
        self._put("Patient/faults", {"resourceType": "Patient", "id": "faults"})
        self._put("Observation/register-first", observation("first", "first", "faults", id="register-first"))
        for part in range(PEOPLE // PART if self.long_works else 0):
            self.client.post("/fhir", json=people(part)).raise_for_status()
        self.victims = [*self.nodes, *([self.central] if self.central else [])]
        self.proxies = [before_port(port) for port in (first.dimse_port, *(node.port for node in self.victims))]
        for node in self.victims:
            node.cut_off += [proxy.cut for proxy, _ in self.proxies]
        dimse_port, *ports = [port for _, port in self.proxies]
        self.upstream = None
        if self.central is not None:
            self.upstream = Upstream(first, self.central, ports.pop(), node_url(first), token, self.violations)
        self.clients = Clients(ports, dimse_port, token, "faults", self.ledger, long_works=self.long_works)
        self.checker = Checker(
            first.data_dir,
            open_archive(Settings(data_dir=first.data_dir, **(self.bucket.settings if self.bucket else {}))),
            partial(sizes_of_files, first.data_dir / "images") if self.bucket is None else self.bucket.images,
            node_url(first),
            self.client,
            first.dimse_port,
            self.violations,
        )

    def _put(self, path: str, resource: object) -> None:
        answer = self.client.put(f"/fhir/{path}", json=resource)
        assert answer.status_code == 201, answer.text

    def round(self, faults: Sequence[Fault], haste: float = 0.0) -> None:
        """Inflict faults one after the other under load, let the server serve, and check. `haste` is the chance that
        one comes while the server has not yet come back from the last.
        """
        self.clients.resume()
        done: Counter[str] = Counter()
        for fault in faults:
            if self.chance.random() >= haste:
                with self._timed(WAITS):
                    self._wait()
            time.sleep(LOAD * (0.5 + self.chance.random()))  # so that it strikes at any moment of the work
            victim = self.chance.choice(self.victims)
            log.info("%s, of %s", fault.name, victim.log.name)
            with self._timed(fault.name):
                done[fault.name] += fault.inflict(victim, self.chance)
        with self._timed(WAITS):
            self._wait()
            wait_until(self._serves, "the server to serve again")
            self.clients.pause()
        before = len(self.violations)
        sent = self.ledger.turn()
        with self._timed(CHECKS):
            self.checker.check(*sent, *self.clients.turn())
        if self.upstream is not None:
            with self._timed(LEVELLING):
                self.upstream.check(sent[0], sent[2])
        self.done += done  # those that were checked: a campaign may be stopped before it is through
        self.checks += 1
        self.violations += self.ledger.wrong
        self.ledger.wrong = []
        for name in {fault.name for fault in faults}:
            self.blamed[name] += len(self.violations) - before

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Add the seconds that the block takes to those of `what`."""
        begun = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - begun

    def _wait(self) -> None:
        for node in self.victims:
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

    def tally(self) -> str:
        """What was done and found so far, and what took how long, in a line."""
        apart = {what: self.seconds[what] for what in (WAITS, CHECKS, LEVELLING)}
        took = {"faults": sum(self.seconds.values()) - sum(apart.values()), **apart}
        return (
            f"{self.done.total()} faults, {self.checks} checks of {self.checker.checked} resources, transactions and"
            f" images, {self.ledger.answers.total()} answers, {len(self.violations)} violations;"
            f" {', '.join(f'{what} {seconds:.0f} s' for what, seconds in took.items())}"
        )

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
                    "restarts": [seconds for node in self.victims for seconds in node.restarts],
                },
                indent=1,
            )
        )
