"""The checks after faults: each way to read tells of what was acknowledged, of nothing in part, and all agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from dicomweb.archive.blobs import Archive
from dicomweb.study.sweep import sweep
from healix_fhir.kernel.database import run
from tests.faults.clients import SYSTEM
from tests.faults.ledger import GONE, Chain, Group, Image
from tests.faults.node import look
from tests.faults.registers import NOTHING, Operation, Version, linearizable
from tests.support.dimse import Peer
from tests.support.serve import healix, wait_until

START = Version(1, "start")
SIZE = 100
"""Requests of a batch."""

Request = tuple[str, Callable[[dict[str, Any], int], None]]
"""An address, and who is shown the resource and the status of the answer."""


@dataclass
class Checker:
    """Checks what a server on `data_dir` has, whose images are in `archive`; `sizes` are those of the objects there, by
    key, `violations` what is wrong, in words.
    """

    data_dir: Path
    archive: Archive
    sizes: Callable[[], dict[str, int]]
    url: str
    client: httpx.Client
    dimse_port: int
    violations: list[str]
    checked: int = 0

    def check(
        self,
        chains: Sequence[Chain],
        groups: Sequence[Group],
        images: Sequence[Image],
        histories: Sequence[tuple[str, list[Operation[Version]]]],
        conditions: Sequence[tuple[str, list[Operation[str]]]],
    ) -> None:
        """Everything, of what was sent since the last check; nobody sends meanwhile."""
        self._settle()
        self._batch([request for chain in chains for request in self._chain(chain)])
        self._batch([request for group in groups for request in self._group(group)])
        self._batch([request for key, _ in conditions for request in self._condition(key)])
        self._images(images)
        self._histories(histories, conditions)
        self._audit()
        self._files()
        self.checked += len(chains) + len(groups) + len(images)

    def verify_trail(self) -> None:
        """The chain of the audit trail."""
        done = healix(self.data_dir, "audit", "verify")
        if done.returncode:
            self.violations.append(f"healix audit verify: {done.stdout[-500:]} {done.stderr[-500:]}")

    def associates(self) -> bool:
        """Whether DIMSE takes associations."""
        try:
            with Peer(self.dimse_port) as peer:
                peer.associate()
        except (OSError, AssertionError):
            return False
        return True

    def _settle(self) -> None:
        """Statements of the dead end, and the outbox is drained, by itself."""
        with self._look() as connection:
            wait_until(lambda: _number(connection, WRITING) == 0, "statements of the dead to end")
            try:
                wait_until(lambda: _number(connection, "SELECT count(*) FROM outbox") == 0, "the outbox to be drained")
            except AssertionError:
                left = connection.execute("SELECT topic, payload, attempts, due FROM outbox LIMIT 3").fetchall()
                self.violations.append(f"the outbox is not drained: {left}")

    def _look(self) -> psycopg.Connection[tuple[Any, ...]]:
        return look(self.url)

    def _batch(self, requests: Sequence[Request]) -> None:
        """Read in batches, every tenth by itself."""
        alone, together = requests[::10], [request for n, request in enumerate(requests) if n % 10]
        for path, judge in alone:
            answer = self.client.get(f"/fhir/{path}")
            judge(answer.json(), answer.status_code)
        for begin in range(0, len(together), SIZE):
            part = together[begin : begin + SIZE]
            entries = [{"request": {"method": "GET", "url": path}} for path, _ in part]
            answer = self.client.post("/fhir", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
            for (_, judge), entry in zip(part, answer.json()["entry"], strict=True):
                judge(
                    entry.get("resource") or entry["response"].get("outcome", {}), int(entry["response"]["status"][:3])
                )

    def _chain(self, chain: Chain) -> Iterator[Request]:
        """Read, vread, search and history of one resource agree on one of the histories that may be."""
        values: list[list[str]] = []

        def judge_history(bundle: dict[str, Any], status: int) -> None:
            entries = bundle.get("entry", []) if status == 200 else []
            values.append([_value(entry) for entry in reversed(entries)])
            versions = [entry["response"]["etag"] for entry in reversed(entries)]
            self._expect(values[-1] in chain.possible(), f"{chain} has the history {values[-1]}")
            self._expect(versions == [f'W/"{n + 1}"' for n in range(len(entries))], f"{chain}: versions {versions}")

        def judge_read(resource: dict[str, Any], status: int) -> None:
            last = values[-1][-1] if values and values[-1] else None
            told = {404: None, 410: GONE}.get(status, resource.get("valueString"))
            may_be = {history[-1] if history else None for history in chain.possible()}
            self._expect(told in may_be, f"{chain} is read as {status} {told}")
            self._expect(not values or told == last, f"{chain}: read {told}, history {last}")

        def judge_search(bundle: dict[str, Any], status: int) -> None:
            found = [entry["resource"]["valueString"] for entry in bundle.get("entry", [])]
            ends = [history[-1:] for history in chain.possible()]
            self._expect(
                status == 200 and found in [[] if end == [GONE] else end for end in ends], f"{chain} found: {found}"
            )

        if chain.id is not None:
            yield f"Observation/{chain.id}/_history", judge_history
            yield f"Observation/{chain.id}", judge_read
            for number, value in enumerate(chain.told, 1):
                yield f"Observation/{chain.id}/_history/{number}", self._version(chain, value)
        yield f"Observation?identifier={SYSTEM}|{chain.key}", judge_search

    def _version(self, chain: Chain, value: str) -> Callable[[dict[str, Any], int], None]:
        def judge(resource: dict[str, Any], status: int) -> None:
            told = GONE if status == 410 else resource.get("valueString")
            self._expect(told == value, f"{chain}: vread of {value} says {status} {told}")

        return judge

    def _group(self, group: Group) -> Iterator[Request]:
        """All of a transaction, or nothing."""

        def judge(bundle: dict[str, Any], status: int) -> None:
            count = bundle.get("total", -status)
            may_be = (group.size,) if group.acknowledged else (0, group.size)
            self._expect(count in may_be, f"{group} has {count}")

        yield f"Observation?identifier={SYSTEM}|{group.key}&_summary=count", judge

    def _condition(self, key: str) -> Iterator[Request]:
        """One resource at most."""

        def judge(bundle: dict[str, Any], status: int) -> None:
            self._expect(bundle.get("total", -status) in (0, 1), f"{key} was created {bundle.get('total')} times")

        yield f"Observation?identifier={SYSTEM}|{key}&_summary=count", judge

    def _images(self, images: Sequence[Image]) -> None:
        """QIDO-RS, WADO-RS, C-FIND and ImagingStudy agree."""
        studies: dict[str, list[Image]] = {}
        for image in images:
            studies.setdefault(image.study, []).append(image)
        counts = {study: self._study(study, sent) for study, sent in studies.items()}
        for study, count in self._c_find(list(studies)).items():
            self._expect(count == counts[study], f"{study}: C-FIND says {count}, QIDO-RS {counts[study]}")
        self._batch([request for study, count in counts.items() for request in self._imaging_study(study, count)])

    def _study(self, study: str, sent: Sequence[Image]) -> int:
        answer = self.client.get("/dicomweb/instances", params={"StudyInstanceUID": study})
        found = [item["00080018"]["Value"][0] for item in answer.json()] if answer.status_code == 200 else []
        known = {image.instance: image for image in sent}
        lost = [uid for uid, image in known.items() if image.acknowledged and uid not in found]
        self._expect(answer.status_code in (200, 204), f"QIDO-RS of {study}: {answer.status_code}")
        self._expect(not lost, f"{study}: acknowledged and lost: {lost}")
        self._expect(len(set(found)) == len(found) and set(found) <= set(known), f"{study}: found {found}")
        if found:
            self._retrieved(study, {uid: known[uid].content for uid in found if uid in known})
        return len(found)

    def _retrieved(self, study: str, contents: dict[str, bytes]) -> None:
        """The data sets come back byte for byte."""
        answer = self.client.get(
            f"/dicomweb/studies/{study}", headers={"Accept": 'multipart/related; type="application/dicom"'}
        )
        kind = answer.headers["content-type"].encode()
        message = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + answer.content, policy=policy.HTTP)
        files = [cast("bytes", part.get_payload(decode=True)) for part in message.iter_parts()]
        self._expect(len(files) == len(contents), f"{study}: {len(files)} files of {len(contents)}")
        for uid, content in contents.items():
            self._expect(any(file.endswith(content) for file in files), f"{uid} is not what was sent")

    def _c_find(self, studies: Sequence[str]) -> dict[str, int]:
        """The number of instances of each study, as C-FIND tells."""
        counts = dict.fromkeys(studies, 0)
        if not studies:
            return counts
        entity = AE("CHECKER")
        entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
        association = entity.associate("127.0.0.1", self.dimse_port, ae_title="HEALIX")
        self._expect(association.is_established, "no association for C-FIND")
        for begin in range(0, len(studies), SIZE):
            keys = Dataset()
            keys.QueryRetrieveLevel = "STUDY"
            keys.StudyInstanceUID = list(studies[begin : begin + SIZE])
            keys.NumberOfStudyRelatedInstances = None
            for _, found in association.send_c_find(keys, StudyRootQueryRetrieveInformationModelFind):
                if found is not None:
                    counts[str(found.StudyInstanceUID)] = int(found.NumberOfStudyRelatedInstances)
        association.release()
        return counts

    def _imaging_study(self, study: str, count: int) -> Iterator[Request]:
        """The ImagingStudy has as many instances; there is none where there are no images."""

        def judge(bundle: dict[str, Any], status: int) -> None:
            told = [entry["resource"]["numberOfInstances"] for entry in bundle.get("entry", [])]
            self._expect(
                status == 200 and told == [count] * (count > 0), f"{study}: ImagingStudy {told}, images {count}"
            )

        yield f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{study}", judge

    def _histories(
        self,
        histories: Sequence[tuple[str, list[Operation[Version]]]],
        conditions: Sequence[tuple[str, list[Operation[str]]]],
    ) -> None:
        for key, history in histories:
            self._expect(linearizable(history, START), f"{key} is not linearizable: {_told(history)}")
        for key, tries in conditions:
            self._expect(linearizable(tries, NOTHING), f"{key} is not linearizable: {_told(tries)}")

    def _audit(self) -> None:
        """Each version has its audit event, each audit event of a change its version; images likewise."""
        with self._look() as connection:
            for entity, versions, events in connection.execute(AUDIT).fetchall():
                self.violations.append(f"{entity}: {versions} versions, {events} audit events")
            for study, stored, told in connection.execute(AUDIT_OF_IMAGES).fetchall():
                self.violations.append(f"{study}: {stored} images, {told} in the audit trail")

    def _files(self) -> None:
        """After the sweep of every hour there are exactly the blobs that rows name, each as long as its row says."""
        with self._look() as connection:
            run(connection, sweep(self.archive, age=-1))
            rows = dict(connection.execute("SELECT blob, size FROM instance").fetchall())
        files = self.sizes()
        self._expect(files == rows, f"blobs and rows differ: {sorted(files.items() ^ rows.items())[:5]}")
        left = [path.name for path in self.archive.incoming.iterdir()]
        self._expect(not left, f"on their way in for ever: {left}")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


def sizes_of_files(images: Path) -> dict[str, int]:
    """The blobs of a directory of images."""
    blobs = images / "blobs"
    return {str(path.relative_to(blobs)): path.stat().st_size for path in blobs.rglob("*") if path.is_file()}


WRITING = """SELECT count(*) FROM pg_stat_activity
WHERE state <> 'idle' AND xact_start < now() - interval '0.2 s' AND query ~ '^(WITH|INSERT|UPDATE|DELETE)'"""

AUDIT = """
SELECT coalesce(v.entity, a.entity), v.n, a.n
FROM (SELECT 'Observation/' || id AS entity, count(*) AS n
      FROM (SELECT id FROM resource r WHERE r.type = (SELECT type FROM resource WHERE id = 'register-first')
            UNION ALL
            SELECT id FROM resource_history r WHERE r.type = (SELECT type FROM resource WHERE id = 'register-first')) x
      GROUP BY id) v
FULL JOIN (SELECT entity, count(*) AS n FROM audit_event
           WHERE entity LIKE 'Observation/%' AND action IN ('C', 'U', 'D') AND outcome = 0 GROUP BY entity) a
  ON a.entity = v.entity
WHERE v.n IS DISTINCT FROM a.n LIMIT 5"""

AUDIT_OF_IMAGES = """
SELECT coalesce(i.study_uid, a.entity), i.n, a.n
FROM (SELECT s.study_uid, count(*) AS n
      FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk GROUP BY 1) i
FULL JOIN (SELECT entity,
             sum(CASE WHEN query ~ '^[0-9]+ instances$' THEN split_part(query, ' ', 1)::int ELSE 1 END) AS n
           FROM audit_event WHERE action = 'C' AND outcome = 0 AND subtype IN ('STOW-RS', 'C-STORE') GROUP BY 1) a
  ON a.entity = i.study_uid
WHERE i.n IS DISTINCT FROM a.n LIMIT 5"""


def _number(connection: psycopg.Connection[tuple[Any, ...]], statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _value(entry: dict[str, Any]) -> str:
    return GONE if entry["request"]["method"] == "DELETE" else str(entry["resource"]["valueString"])


def _told(history: Sequence[Operation[Any]]) -> str:
    begun = min((operation.begun for operation in history), default=0.0)  # nobody may have got so far
    return "; ".join(f"{one.begun - begun:.3f}-{one.ended - begun:.3f} {one.told}" for one in history)
