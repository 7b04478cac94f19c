"""`healix measurements import`: files of readings become Observations of a patient, as `$ingest-measurements` does it.

Readings are taken in chunks, each reading by itself: what cannot be used is told with its line, the others are kept.
The same file again changes nothing. What an app calls its source becomes a Device of the patient, found again by its
id, which is made of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.care.wearables.source import Found
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.review import NO_DEMANDS, Demands
from healix_fhir.kernel import clock
from healix_fhir.kernel.arrays import text
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.operation.measurement.keeping import DEVICE, Kept, Member, Sources, distinct, keep, sources
from healix_fhir.operation.measurement.reading import Reading, Refused, reading
from healix_fhir.server.importing.reviewing import Reviewing
from healix_fhir.store.commit import commit
from healix_fhir.store.keys import server_key
from healix_fhir.store.stored import Method
from smart_auth.access import internal
from smart_auth.patients import remember

CHUNK, GROUP, AT_ONCE = 4000, 500, 2
"""Readings in memory, and of one transaction; transactions under way: while one is written, the next is made."""
LISTED = 1000
"""Refused readings that the report lists; all are counted."""
SYSTEM = "urn:healix:measurement-source"
ACCESS = internal("import")
Pool = ConnectionPool[Connection[Row]]


class Report(msgspec.Struct):
    """What an import did."""

    received: int = 0
    created: int = 0
    updated: int = 0
    known: int = 0
    flagged: int = 0
    refused: int = 0
    items: list[dict[str, str]] = []

    def refuse(self, place: str, reason: str) -> None:
        """Count a refused reading, and list it."""
        self.refused += 1
        if len(self.items) < LISTED:
            self.items.append({"item": place, "reason": reason})


class Intake:
    """Keeps the readings of one patient.

    Raises Invalid for a patient who is not there, and for a device that is not the patient's.
    """

    def __init__(
        self, pool: Pool, bases: tuple[str, ...], patient: str, device: str | None, wanted: Demands = NO_DEMANDS
    ) -> None:
        self._pool, self._bases, self._patient, self._device = pool, bases, patient, device
        self._reviewing = Reviewing(pool, wanted)
        self._at_once = 1 if wanted.any() else AT_ONCE  # definitions are looked up by one at a time
        self._key = transaction(pool, lambda: server_key("measurement"))
        self._made: dict[str, str] = {}
        if not transaction(pool, lambda: _there("Patient", [patient])):
            raise invalid(f"there is no Patient/{patient[:64]}")
        if device is not None:
            found = self._sources([device])[device]
            if isinstance(found, str):
                raise invalid(found)
        self.report = Report()

    def take(self, found: Iterable[Found], path: str) -> None:
        """Keep what can be kept."""
        waiting = iter(found)
        with ThreadPoolExecutor(self._at_once) as crew:
            while chunk := list(islice(waiting, CHUNK)):
                self._chunk(chunk, path, crew)

    def _chunk(self, chunk: Sequence[Found], path: str, crew: ThreadPoolExecutor) -> None:
        moment = clock.now()
        self._make_sources(
            {str(one.fields.get("device")) for one in chunk if one.apps and isinstance(one.fields, dict)}
        )
        usable: list[Reading] = []
        refused: list[Refused] = []
        for n, one in enumerate(chunk):
            if isinstance(one.fields, Refused):
                refused.append(Refused(n, one.fields.reason))
                continue
            made = reading(n, self._named(one, one.fields), moment)
            if isinstance(made, Refused):
                refused.append(made)
            else:
                usable.append(made)
        members, kept = distinct(self._key, usable, self._sources(list(dict.fromkeys(one.device for one in usable))))
        groups = [members[start : start + GROUP] for start in range(0, len(members), GROUP)]
        for done in [kept, *crew.map(self._keep, groups)]:
            self._count(done)
            refused += done.refused
        self.report.received += len(chunk)
        for each in sorted(refused, key=lambda each: each.number):
            place = chunk[each.number]
            self.report.refuse(":".join(filter(None, (path, place.member, str(place.number)))), each.reason)

    def _keep(self, group: Sequence[Member]) -> Kept:
        keeping = partial(keep, ACCESS, group, self._bases, self._reviewing.review)
        kept, patients = self._reviewing.with_definitions(lambda: transaction(self._pool, keeping))
        remember(patients)
        return kept

    def _count(self, kept: Kept) -> None:
        self.report.created += kept.created
        self.report.updated += kept.updated
        self.report.known += kept.known
        self.report.flagged += kept.flagged

    def _named(self, one: Found, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a reading with the Device that it is of."""
        if one.apps:
            return fields | {"device": self._device or self._made[str(fields.get("device"))]}
        return fields if fields.get("device") or self._device is None else fields | {"device": self._device}

    def _sources(self, names: Sequence[str]) -> Sources:
        """The devices of readings; another patient's is none."""
        found = transaction(self._pool, lambda: sources(ACCESS, names, self._bases))
        return {
            name: source
            if isinstance(source, str) or source.patient == self._patient
            else f"the device '{name}' is another patient's"
            for name, source in found.items()
        }

    def _make_sources(self, names: set[str]) -> None:
        """Have a Device for each source of an app."""
        new = sorted(names - self._made.keys())
        if new and self._device is None:
            self._made |= transaction(self._pool, lambda: _devices(self._key, self._patient, new, self._bases))


def _devices(key: bytes, patient: str, names: Sequence[str], bases: tuple[str, ...]) -> Work[dict[str, str]]:
    """The ids of the Devices that stand for sources of a patient; those that are not there are made."""
    ids = {name: f"s-{blake2b(f'{patient}|{name}'.encode(), key=key, digest_size=16).hexdigest()}" for name in names}
    there = {id_ for (id_,) in (yield from _there(DEVICE, list(ids.values())))}
    made = [
        change(Method.PUT, _device(name, patient), DEVICE, id_, bases) for name, id_ in ids.items() if id_ not in there
    ]
    if made:
        yield from commit(ACCESS, made)
    return ids


def _device(name: str, patient: str) -> dict[str, Any]:
    shown = name.strip() or "unknown source"
    return {
        "resourceType": DEVICE,
        "identifier": [{"system": SYSTEM, "value": shown}],
        "status": "active",
        "deviceName": [{"name": shown, "type": "other"}],
        "patient": {"reference": f"Patient/{patient}"},
    }


def _there(type_name: str, ids: Sequence[str]) -> Work[list[Row]]:
    """Of these ids those of resources that are there."""
    rows = yield Statement(
        "SELECT id FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted",
        (TYPE_ID[type_name], text(ids)),
    )
    return rows
