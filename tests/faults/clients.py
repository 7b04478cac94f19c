"""Clients that write without pause, each in a thread of its own, and enter what they send into a ledger."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.faults.ledger import GONE, Chain, Group, Image, Ledger
from tests.faults.registers import (
    NEVER,
    Operation,
    Version,
    created,
    found,
    perhaps_created,
    read,
    refused,
    updated,
)
from tests.faults.works import Export, Import, Reindex, Work
from tests.support.dicom import bare, ct, uid
from tests.support.dimse import Peer, p_data, pdu, pdv, store
from tests.support.plain import NO_TLS
from tests.support.stow import HEADERS, body

SYSTEM = "urn:healix:faults"
NUMBERS = itertools.count(1000)
PIECE = 16_000
NO_ROOM = 507
REFERENCED = "00081199"
"""Referenced SOP Sequence: the instances that STOW-RS has stored."""
THINK = 0.01
"""Seconds between two works of a client: faults are to meet all of them, not a server that has no time to start."""
MEET = 0.5
"""Seconds after an answer that never came before a client goes on: it finds nobody there for a while."""


def observation(key: str, value: str, patient: str, **more: Any) -> dict[str, Any]:
    """An Observation that is found by `key` and says `value`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": SYSTEM, "value": key}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "valueString": value,
        **more,
    }


class Clients:
    """The clients of one server at `ports`, one HTTP port for each node; they write while `running` is set. With
    `long_works` some ask for exports, imports and renewals of the index, too.
    """

    def __init__(
        self, ports: list[int], dimse_port: int, token: str, patient: str, ledger: Ledger, *, long_works: bool = False
    ) -> None:
        self.ports, self.dimse_port, self.token, self.patient, self.ledger = ports, dimse_port, token, patient, ledger
        self.running = threading.Event()
        self.ended = threading.Event()
        self.idle = threading.Semaphore(0)
        self.histories: list[tuple[str, list[Operation[Version]]]] = []
        self.conditions: list[tuple[str, list[Operation[str]]]] = []
        self._shared = threading.Lock()
        self._register: tuple[str, list[Operation[Version]]] | None = None
        self._condition: tuple[str, list[Operation[str]]] = (f"once-{next(NUMBERS)}", [])
        works: list[Callable[[httpx.Client, random.Random], None]] = [
            self._chain, self._transaction, self._stow, self._c_store, *[self._registered] * 3, *[self._once] * 2,
        ]  # fmt: skip
        if long_works:
            works += [self._long(kind(ledger, self._send)) for kind in (Export, Import, Reindex)]
        self.threads = [
            threading.Thread(target=self._repeat, args=(work, n), daemon=True) for n, work in enumerate(works)
        ]
        for thread in self.threads:
            thread.start()
        self.pause()

    def pause(self) -> None:
        """Let every client end what it is at, and wait for that."""
        self.running.clear()
        for _ in self.threads:
            assert self.idle.acquire(timeout=60), "a client hangs"

    def resume(self) -> None:
        """Let them go on."""
        self.running.set()

    def end(self) -> None:
        """End all threads; they are paused."""
        self.ended.set()
        self.running.set()
        for thread in self.threads:
            thread.join(30)

    def turn(self) -> tuple[list[tuple[str, list[Operation[Version]]]], list[tuple[str, list[Operation[str]]]]]:
        """The histories since the last turn."""
        taken = self.histories, self.conditions
        self.histories, self.conditions = [], []
        if self._register is not None:
            taken[0].append(self._register)
        taken[1].append(self._condition)
        self._register, self._condition = None, (f"once-{next(NUMBERS)}", [])
        return taken

    def _repeat(self, work: Callable[[httpx.Client, random.Random], None], number: int) -> None:
        chance = random.Random(number)
        port = self.ports[number % len(self.ports)]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=httpx.Timeout(20),
            verify=NO_TLS,
        ) as client:
            while True:
                if not self.running.is_set():
                    self.idle.release()
                    self.running.wait()
                if self.ended.is_set():
                    return
                try:
                    work(client, chance)
                except Exception as error:  # noqa: BLE001 - whatever a client cannot make sense of is a finding
                    self.ledger.blame(f"{work.__name__}: {error!r}")
                time.sleep(THINK)

    def _send(self, client: httpx.Client, method: str, path: str, **content: Any) -> httpx.Response | None:
        """One request; None where it is not known what became of it."""
        word = f"{method} {path.split('/')[1].split('?', maxsplit=1)[0]}"
        try:
            answer = client.request(method, path, **content)
        except httpx.HTTPError:
            self.ledger.count(f"{word}: no answer")
            time.sleep(MEET)
            return None
        self.ledger.count(f"{word}: {answer.status_code}")
        if answer.status_code == 503:
            time.sleep(MEET)
            return None
        if answer.status_code >= 500 and answer.status_code != NO_ROOM:
            self.ledger.blame(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        return answer

    def _long(self, work: Work) -> Callable[[httpx.Client, random.Random], None]:
        def step(client: httpx.Client, _: random.Random) -> None:
            work.step(client)

        return step

    def _chain(self, client: httpx.Client, chance: random.Random) -> None:
        """A resource from its creation through some updates, and perhaps its deletion."""
        number = next(NUMBERS)
        chain = Chain(f"chain-{number}")
        self.ledger.add(chain)
        if chance.random() < 0.5:
            chain.id = chain.key
        for step in range(chance.randint(1, 6)):
            value = GONE if step == 5 else f"{number}-{step}"
            if not self._next(client, chain, value):
                return

    def _next(self, client: httpx.Client, chain: Chain, value: str) -> bool:
        """Send the next version; whether it was acknowledged."""
        chain.perhaps = value
        content = observation(chain.key, value, self.patient, **({"id": chain.id} if chain.id else {}))
        match = {"If-Match": f'W/"{len(chain.told)}"'} if chain.told else {}
        if value == GONE:
            answer = self._send(client, "DELETE", f"/fhir/Observation/{chain.id}", headers=match)
        elif chain.id is None:
            answer = self._send(client, "POST", "/fhir/Observation", json=content)
        else:
            answer = self._send(client, "PUT", f"/fhir/Observation/{chain.id}", json=content, headers=match)
        if answer is None:
            return False
        if not answer.is_success:
            self.ledger.blame(f"{chain.key} version {len(chain.told) + 1}: {answer.status_code} {answer.text[:300]}")
            return False
        chain.told.append(value)
        chain.perhaps = None
        if value != GONE:
            chain.id = str(answer.json()["id"])
        return value != GONE

    def _transaction(self, client: httpx.Client, chance: random.Random) -> None:
        """A transaction of several resources, one of them by a client's id."""
        size = chance.choice([3, 3, 40])
        group = Group(f"group-{next(NUMBERS)}", size, acknowledged=False)
        self.ledger.add(group)
        entries = [
            {
                "resource": observation(group.key, f"{group.key}-{n}", self.patient),
                "request": {"method": "POST", "url": "Observation"},
            }
            for n in range(size)
        ]
        entries[0]["resource"]["id"] = group.key
        entries[0]["request"] = {"method": "PUT", "url": f"Observation/{group.key}"}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = self._send(client, "POST", "/fhir", json=bundle)
        if answer is not None and not answer.is_success:
            self.ledger.blame(f"{group.key}: {answer.status_code} {answer.text[:300]}")
        group.acknowledged = answer is not None and answer.is_success

    def _stow(self, client: httpx.Client, chance: random.Random) -> None:
        """A study of some instances by STOW-RS."""
        number = next(NUMBERS)
        files = {n: ct(number, 1, n, size=chance.choice([16, 64, 300])) for n in range(1, chance.randint(2, 4))}
        images = [Image(uid(number), uid(number, 1), uid(number, 1, n), bare(f), False) for n, f in files.items()]
        for image in images:
            self.ledger.add(image)
        answer = self._send(client, "POST", "/dicomweb/studies", content=body(list(files.values())), headers=HEADERS)
        if answer is None:
            return
        if answer.status_code not in (200, 202, 409, NO_ROOM):  # all, some, or none of them, as the disk was
            self.ledger.blame(f"STOW-RS: {answer.status_code} {answer.text[:300]}")
            return
        stored = {item["00081155"]["Value"][0] for item in answer.json().get(REFERENCED, {}).get("Value", [])}
        for image in images:
            image.acknowledged = image.instance in stored

    def _c_store(self, _: httpx.Client, chance: random.Random) -> None:
        """A study of some instances by C-STORE over one association."""
        number = next(NUMBERS)
        try:
            with Peer(self.dimse_port) as peer:
                peer.associate()
                for n in range(1, chance.randint(2, 6)):
                    content = bare(ct(number, 2, n, size=chance.choice([16, 64, 300])))
                    image = Image(uid(number), uid(number, 2), uid(number, 2, n), content, False)
                    self.ledger.add(image)
                    peer.send(p_data(3, 3, store(image.instance)))
                    for start in range(0, len(content), PIECE):
                        last = start + PIECE >= len(content)
                        peer.send(pdu(4, pdv(3, 2 if last else 0, content[start : start + PIECE])))
                    status = peer.status()
                    self.ledger.count(f"C-STORE: {status:04X}")
                    image.acknowledged = status == 0
                    if status and status >> 8 not in (0xA7, 0x01):
                        self.ledger.blame(f"C-STORE: {status:04X}")
        except (OSError, AssertionError):
            self.ledger.count("C-STORE: no answer")
            time.sleep(MEET)

    def _registered(self, client: httpx.Client, chance: random.Random) -> None:
        """A read or an update with If-Match of a resource that others read and update."""
        with self._shared:
            register = self._register
            if register is None or len(register[1]) > 60:
                register = self._renewed(client, register)
        if register is None:
            return
        id_, history = register
        begun = time.monotonic()
        answer = self._send(client, "GET", f"/fhir/Observation/{id_}")
        if answer is None:
            return
        seen = Version(int(answer.json()["meta"]["versionId"]), answer.json()["valueString"])
        history.append(Operation(begun, time.monotonic(), read(seen), f"read {seen}"))
        if chance.random() < 0.5:
            return
        value = f"v{next(NUMBERS)}"
        begun = time.monotonic()
        content = observation(id_, value, self.patient, id=id_)
        match = {"If-Match": f'W/"{seen.number}"'}
        answer = self._send(client, "PUT", f"/fhir/Observation/{id_}", json=content, headers=match)
        ended = time.monotonic()
        if answer is None:
            history.append(Operation(begun, NEVER, updated(seen.number, value), f"perhaps {seen.number} to {value}"))
        elif answer.status_code == 412:
            history.append(Operation(begun, ended, refused(seen.number), f"refused {seen.number}"))
        elif answer.status_code == 200:
            history.append(Operation(begun, ended, updated(seen.number, value), f"{seen.number} to {value}"))
        else:
            self.ledger.blame(f"update of {id_}: {answer.status_code} {answer.text[:300]}")

    def _renewed(
        self, client: httpx.Client, before: tuple[str, list[Operation[Version]]] | None
    ) -> tuple[str, list[Operation[Version]]] | None:
        """A new register in place of a long one."""
        id_ = f"register-{next(NUMBERS)}"
        content = observation(id_, "start", self.patient, id=id_)
        answer = self._send(client, "PUT", f"/fhir/Observation/{id_}", json=content)
        if answer is None or answer.status_code != 201:
            return before
        if before is not None:
            self.histories.append(before)
        self._register = (id_, [])
        return self._register

    def _once(self, client: httpx.Client, _: random.Random) -> None:
        """A conditional create that others try as well."""
        with self._shared:
            if len(self._condition[1]) > 6:
                self.conditions.append(self._condition)
                self._condition = (f"once-{next(NUMBERS)}", [])
            key, history = self._condition
        begun = time.monotonic()
        answer = self._send(
            client,
            "POST",
            "/fhir/Observation",
            json=observation(key, "once", self.patient),
            headers={"If-None-Exist": f"identifier={SYSTEM}|{key}"},
        )
        ended = time.monotonic()
        if answer is None:
            history.append(Operation(begun, NEVER, perhaps_created(), "perhaps"))
        elif answer.status_code in (200, 201):
            id_ = answer.headers["Location"].partition("/Observation/")[2].partition("/")[0]
            step = created if answer.status_code == 201 else found
            history.append(Operation(begun, ended, step(id_), f"{answer.status_code} {id_}"))
        else:
            self.ledger.blame(f"conditional create of {key}: {answer.status_code} {answer.text[:300]}")
