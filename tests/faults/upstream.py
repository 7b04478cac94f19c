"""A site that is kept in step with a central server while both, and the line between them, fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import psycopg

from healix_fhir.care.sync.standing import Standing, standing
from healix_fhir.kernel.database import run
from tests.faults.ledger import GONE, Chain, Image
from tests.faults.node import Node, look
from tests.support.serve import healix, wait_until

NAME, SCOPE, TTL = "central", "system/*.cruds", "86400"
SECONDS = 240.0
"""Patience until the central server has all: an upstream that was away is left alone for a while."""


@dataclass
class Upstream:
    """The central server of `site`, which reaches it at `port`; `url` is the site's database, `token_here` one
    that may read there.
    """

    site: Node
    central: Node
    port: int
    url: str
    token_here: str
    violations: list[str]

    def __post_init__(self) -> None:
        made = healix(self.central.data_dir, "token", "create", "--scope", SCOPE, "--ttl", TTL)
        self.token = str(json.loads(made.stdout)["access_token"])
        file = self.site.data_dir.parent / "token"
        file.write_text(self.token)
        base = f"http://127.0.0.1:{self.port}"
        bases = ("--fhir", f"{base}/fhir", "--dicomweb", f"{base}/dicomweb")
        added = healix(self.site.data_dir, "sync", "add", NAME, *bases, "--token-file", str(file), "--private")
        assert added.returncode == 0, added.stderr

    def check(self, chains: Sequence[Chain], images: Sequence[Image]) -> None:
        """The central server has every version and image of the site, each once, and no other."""
        try:
            wait_until(self._level, "the central server to have all", seconds=SECONDS)
        except (AssertionError, psycopg.Error) as error:
            self.violations.append(f"sync: {error} {self._standing()}")
            return
        with self.site.served.client(self.token_here) as here, self.central.served.client(self.token) as there:
            for id_ in [chain.id for chain in chains if chain.id is not None]:
                values = [_history(client, id_) for client in (here, there)]
                self._expect(values[0] == values[1], f"sync: Observation/{id_}: {values[0]} here, {values[1]} there")
            for study in {image.study for image in images}:
                instances = [_instances(client, study) for client in (here, there)]
                self._expect(instances[0] == instances[1], f"sync: {study}: {instances[0]} here, {instances[1]} there")

    def _level(self) -> bool:
        return self._standing().state == "level"

    def _standing(self) -> Standing:
        with look(self.url) as connection:
            (one,) = run(connection, standing())
        return one

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


def _history(client: httpx.Client, id_: str) -> list[str]:
    answer = client.get(f"/fhir/Observation/{id_}/_history")
    entries = answer.json().get("entry", []) if answer.status_code == 200 else []
    return [
        GONE if entry["request"]["method"] == "DELETE" else entry["resource"]["valueString"]
        for entry in reversed(entries)
    ]


def _instances(client: httpx.Client, study: str) -> list[str]:
    answer = client.get("/dicomweb/instances", params={"StudyInstanceUID": study})
    return sorted(item["00080018"]["Value"][0] for item in answer.json()) if answer.status_code == 200 else []
