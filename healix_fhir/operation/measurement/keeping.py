"""Keeps readings: devices are found, patients with them, and each reading becomes one Observation, however often it is
sent.

The id of an Observation is made of device, metric and time by a key that only this server has: a reading that comes
again meets its Observation, and nobody else can make one in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.condition import of_params
from healix_fhir.interaction.review import Review
from healix_fhir.kernel.arrays import text
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.measurement.observation import Json, is_doubtful, marks_of, observation
from healix_fhir.operation.measurement.reading import Reading, Refused
from healix_fhir.search.match import Asked, match_each
from healix_fhir.search.params.reference import target
from healix_fhir.store.commit import commit_each
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Change, Committed, Method, Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

OBSERVATION, DEVICE = "Observation", "Device"
BY_ID = re.compile(r"(?:Device/)?([A-Za-z0-9\-.]{1,64})")
KEPT = ("final", "preliminary")
"""The status in which readings are kept; people give them others."""
MAY_DIFFER = {"meta", "interpretation"}
"""Elements that the Observation of a reading may have or not, by its value."""
ANOTHER_RECORD = "there is a reading of this device and time in another patient's record"


class Source(msgspec.Struct, frozen=True):
    """A device, and the patient who has it."""

    device: str
    patient: str


class Member(NamedTuple):
    """A reading that is to be kept: the id of its Observation, and whose it is."""

    id: str
    reading: Reading
    source: Source


class Kept(msgspec.Struct):
    """What became of readings; `flagged` are those of the others that are marked as impossible."""

    created: int = 0
    updated: int = 0
    known: int = 0
    flagged: int = 0
    refused: list[Refused] = []


Sources = Mapping[str, Source | str]
"""What readings call a device, with whose it is, or why it cannot be used."""


def sources(access: AccessContext, names: Sequence[str], bases: tuple[str, ...]) -> Work[Sources]:
    """The devices that are called by their id, `Device/id`, or an identifier as in a search (`system|value`).

    A device that the caller may not read is not there. Three statements, however many there are.
    """
    answers: dict[str, Source | str] = {}
    ids = {name: found[1] for name in names if "|" not in name and (found := BY_ID.fullmatch(name)) is not None}
    asked = [name for name in names if name not in ids]
    conditions = [Asked(access, of_params(DEVICE, [("identifier", name)])) for name in asked]
    matches = (yield from match_each(conditions, base=bases[0])) if conditions else []
    for name, met in zip(asked, matches, strict=True):
        if isinstance(met, HealixError):
            answers[name] = met.message
        elif len(met) == 1:
            ids[name] = met[0].id
        else:
            answers[name] = "several devices have this identifier" if met else f"there is no device '{name[:100]}'"
    read = yield from read_each([Ask(access, DEVICE, id_) for id_ in ids.values()])
    for (name, id_), stored in zip(ids.items(), read, strict=True):
        answers[name] = _source(id_, stored, bases)
    return answers


def patient_of(device: Json, bases: tuple[str, ...]) -> str | None:
    """The logical id of the patient who has a Device; None where nobody of this server has."""
    found = target(device.get("patient", {}).get("reference", ""), bases)
    return found[1] if found is not None and found[0] == TYPE_ID["Patient"] else None


def is_in_use(device: Json) -> bool:
    """Whether readings of a Device are taken."""
    return bool(device.get("status", "active") == "active")


def _source(id_: str, stored: Stored | HealixError, bases: tuple[str, ...]) -> Source | str:
    if isinstance(stored, HealixError):
        return f"there is no device '{id_}'"
    device = decode_stored(stored.body)
    if not is_in_use(device):
        return f"the device '{id_}' is not active"
    patient = patient_of(device, bases)
    return Source(id_, patient) if patient is not None else f"the device '{id_}' belongs to no patient"


def distinct(key: bytes, listed: Sequence[Reading], found: Sources) -> tuple[list[Member], Kept]:
    """The readings that are to be kept, and what is known of the others: of several of one device, metric and time the
    last counts.
    """
    kept = Kept()
    members: dict[str, Member] = {}
    for reading in listed:
        source = found[reading.device]
        if isinstance(source, str):
            kept.refused.append(Refused(reading.number, source))
            continue
        id_ = id_of(key, reading, source.device)
        kept.known += id_ in members
        members[id_] = Member(id_, reading, source)
    return list(members.values()), kept


def keep(
    access: AccessContext, group: Sequence[Member], bases: tuple[str, ...], review: Review
) -> Work[tuple[Kept, dict[str, int]]]:
    """Store a group of readings, each or its refusal.

    Also tells the keys of the patients concerned, to be remembered once it is committed.
    """
    kept = Kept()
    there = yield from _there([member.id for member in group])
    may_change = access.allows(OBSERVATION, Permission.UPDATE)
    made: list[tuple[Reading, Change]] = []
    for id_, reading, source in group:
        resource = observation(reading, source.patient, source.device)
        old = there.get(id_)
        if old is not None and old.patient not in (None, source.patient):
            kept.refused.append(Refused(reading.number, ANOTHER_RECORD))
        elif old is not None and not (may_change and old.is_as_ingested(resource)):
            kept.known += 1
        else:
            try:
                method = Method.PUT if old is not None else Method.POST
                made.append((reading, review(change(method, resource, OBSERVATION, id_, bases))))
            except HealixError as error:
                kept.refused.append(Refused(reading.number, error.message))
    outcomes = (yield from commit_each([(access, each) for _, each in made])) if made else []
    for (reading, _), outcome in zip(made, outcomes, strict=True):
        _count(kept, reading, outcome)
    done = [outcome for outcome in outcomes if isinstance(outcome, Committed)]
    return kept, {id_: patient for each in done for id_, patient in each.patients}


def _count(kept: Kept, reading: Reading, outcome: Committed | HealixError) -> None:
    if isinstance(outcome, HealixError):
        kept.refused.append(Refused(reading.number, outcome.message))
        return
    kept.created += outcome.created
    kept.updated += outcome.changed and not outcome.created
    kept.known += not outcome.changed
    kept.flagged += is_doubtful(marks_of(reading))


def id_of(key: bytes, reading: Reading, device: str) -> str:
    """The id of a reading's Observation."""
    text_ = f"{device}|{reading.metric.name}|{instant(reading.time)}"
    return f"m-{blake2b(text_.encode(), key=key, digest_size=16).hexdigest()}"


class Old(NamedTuple):
    """The Observation of a reading that is there, or was, and in whose record."""

    patient: str | None
    body: bytes

    def is_as_ingested(self, new: Json) -> bool:
        """Whether nobody has touched it: what people have corrected, noted or deleted, no device undoes."""
        if not self.body:
            return False
        was = decode_stored(self.body)
        profile = was.get("meta", {}).keys() <= {"versionId", "lastUpdated", "profile"}
        return profile and was.get("status") in KEPT and was.keys() - MAY_DIFFER - {"id"} == new.keys() - MAY_DIFFER


def _there(ids: Sequence[str]) -> Work[dict[str, Old]]:
    """Of these Observations those that are there, or were."""
    rows = yield Statement(
        """SELECT r.id, k.id, r.body FROM resource r LEFT JOIN patient_key k ON k.pat = r.pat
           WHERE r.type = %s AND r.id = ANY(%s::text[])""",
        (TYPE_ID[OBSERVATION], text(ids)),
    )
    return {id_: Old(patient, bytes(body)) for id_, patient, body in rows}
