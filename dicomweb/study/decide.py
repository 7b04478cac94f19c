"""Which objects of a group are stored, against what is already there; pure.

Spec: PS3.18 10.5.3 and I.2.2 (2024d), PS3.3 A.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dicomweb.index.columns import string
from dicomweb.status import Reason
from dicomweb.study.outcome import Disposition, Duplicates, Outcome, outcome
from dicomweb.study.receive import Received

OTHER_CONTENT = "another object with this SOPInstanceUID is stored already"
PATIENT_ID, ISSUER = 0x00100020, 0x00100021


@dataclass(slots=True)
class Known:
    """What is there already, and, as the group is decided, what it adds.

    `studies`: (PatientID, issuer) by study; `series`: study by series; `instances`: (series, SOP class, digest) by
    instance, `fresh` those of the group itself; `closed`: studies that the caller may not store into; `taken`: series
    and instances in such ones; `held`: studies under legal hold; `rejected`: the code of a rejection note by instance.
    """

    studies: dict[str, tuple[str, str]] = field(default_factory=dict)
    series: dict[str, str] = field(default_factory=dict)
    instances: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    closed: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    rejected: dict[str, str] = field(default_factory=dict)


LONGEST = 256
"""Characters of a PatientID and of its issuer: four times what their VR (LO) allows, and what an index can hold."""


def identity(received: Received) -> tuple[str, str]:
    """PatientID and its issuer; empty where the object has none."""
    attributes = received.header.attributes
    return string(attributes.get(PATIENT_ID)), string(attributes.get(ISSUER))


def decide(group: Sequence[Received], known: Known, duplicates: Duplicates = Duplicates.REFUSE) -> list[Outcome]:
    """The outcome of each object in turn; objects of the same group count as known for those after them."""
    return [_decide(received, known, duplicates) for received in group]


def _decide(received: Received, known: Known, duplicates: Duplicates) -> Outcome:
    refusal = _refusal(received, known)
    if refusal is not None:
        return outcome(received, Disposition.REFUSED, *refusal)
    itself = (received.series, received.sop_class, received.digest)
    present = known.instances.get(received.sop_instance)
    if present == itself:
        return outcome(received, Disposition.DUPLICATE)
    if present is not None and duplicates is Duplicates.KEEP:
        return outcome(received, Disposition.KEPT, message=f"{OTHER_CONTENT} and stays")
    if present is not None and not _makes_room(received, present, known, duplicates):
        return outcome(received, Disposition.REFUSED, Reason.DUPLICATE_INSTANCE, OTHER_CONTENT)
    known.studies.setdefault(received.study, identity(received))
    known.series.setdefault(received.series, received.study)
    known.instances[received.sop_instance] = itself
    known.fresh.add(received.sop_instance)
    return outcome(received, Disposition.STORED if present is None else Disposition.REPLACED)


def _makes_room(received: Received, present: tuple[str, str, bytes], known: Known, duplicates: Duplicates) -> bool:
    """Whether the stored object may be replaced: one of the same kind and place, not sent just now, no evidence."""
    alike = present[:2] == (received.series, received.sop_class)
    settled = received.sop_instance not in known.fresh and received.study not in known.held
    return duplicates is Duplicates.REPLACE and alike and settled


def _refusal(received: Received, known: Known) -> tuple[Reason, str] | None:
    if received.study in known.closed or not known.taken.isdisjoint((received.series, received.sop_instance)):
        return Reason.NOT_AUTHORIZED, "the token does not allow to store for this patient"
    if known.studies.get(received.study, (key := identity(received))) != key:
        return Reason.DATA_SET_DOES_NOT_MATCH, "PatientID or its issuer differ from those of the study"
    if any(len(part) > LONGEST for part in key):
        return Reason.CANNOT_UNDERSTAND, f"PatientID or its issuer have more than {LONGEST} characters"
    if received.sop_instance in known.rejected:
        return Reason.PROCESSING_FAILURE, "the instance was rejected by a rejection note, and is not stored again"
    if known.series.get(received.series, received.study) != received.study:
        return Reason.DATA_SET_DOES_NOT_MATCH, "SeriesInstanceUID belongs to another study"
    return None


def by_study(group: Sequence[Received]) -> Mapping[str, Received]:
    """The first object of each study, in order of the UIDs."""
    first: dict[str, Received] = {}
    for received in group:
        first.setdefault(received.study, received)
    return dict(sorted(first.items()))
