"""Rejection notes: Key Object Selections whose title says that the instances they refer to are out of use.

A note is stored like any object, and takes effect in the same transaction: what it names goes as if it had been
deleted, and, but for a policy that has run out, is not stored again, whoever sends it. It stays within what its sender
may delete; what it names beyond that has no effect, and whether that exists is not told.

Spec: IHE RAD TF-2 4.66 (Imaging Object Change Management); PS3.3 C.17.6 and PS3.16 CID 7011 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import msgspec

from dicomweb.status import Reason
from dicomweb.study.delete import LOCK, MOVE, after, delete
from dicomweb.study.outcome import WITH_ROWS, Disposition, Outcome
from dicomweb.study.receive import Received
from dicomweb.uid import is_uid
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
EXPIRED = "113039"
REJECTED: Mapping[str, str] = MappingProxyType(
    {
        "113001": "for quality reasons",
        "113037": "for patient safety reasons",
        "113038": "because of an incorrect worklist entry",
    }
)
"""Codes (DCM) of what is not stored again, and why."""
WORD = "reject-instances"
MOST = 50_000
"""Instances that one note may name."""

TITLE, CODE, SCHEME = "0040A043", "00080100", "00080102"
EVIDENCE, STUDY, SERIES, INSTANCES, INSTANCE = "0040A375", "0020000D", "00081115", "00081199", "00081155"


@dataclass(frozen=True, slots=True)
class Note:
    """What a rejection note says: why, and the instances by study."""

    uid: str
    code: str
    named: Mapping[str, Sequence[str]]

    @property
    def count(self) -> int:
        """How many instances it names."""
        return sum(map(len, self.named.values()))


def note_of(received: Received) -> Note | None:
    """The note that an object is; None for every other object, and key objects with another title."""
    if received.sop_class != KEY_OBJECTS:
        return None
    members = msgspec.json.decode(received.header.metadata)
    code = next((_one(item, CODE) for item in _items(members, TITLE) if _one(item, SCHEME) == "DCM"), "")
    if code != EXPIRED and code not in REJECTED:
        return None
    named: dict[str, list[str]] = {}
    for evidence in _items(members, EVIDENCE):
        found = named.setdefault(_one(evidence, STUDY), [])
        for series in _items(evidence, SERIES):
            found += [uid for one in _items(series, INSTANCES) if is_uid(uid := _one(one, INSTANCE))]
    return Note(received.sop_instance, code, {study: uids for study, uids in sorted(named.items()) if is_uid(study)})


def _items(members: Mapping[str, Any], tag: str) -> list[dict[str, Any]]:
    return [item for item in members.get(tag, {}).get("Value", ()) if isinstance(item, dict)]


def _one(members: Mapping[str, Any], tag: str) -> str:
    found = members.get(tag, {}).get("Value") or [""]
    return found[0] if isinstance(found[0], str) else ""


def judged(access: AccessContext, received: Sequence[Received], outcomes: Sequence[Outcome]) -> Work[list[Outcome]]:
    """The outcomes, with those notes refused that may not take effect; one statement where a policy has run out."""
    found = []
    for one, outcome in zip(received, outcomes, strict=True):
        note = note_of(one) if outcome.status in WITH_ROWS else None
        refusal = (yield from _refusal(access, note)) if note is not None else None
        if refusal is None:
            found.append(outcome)
        else:
            found.append(replace(outcome, status=Disposition.REFUSED, reason=refusal[0], message=refusal[1]))
    return found


def _refusal(access: AccessContext, note: Note) -> Work[tuple[Reason, str] | None]:
    if not access.allows("ImagingStudy", Permission.DELETE):
        return Reason.NOT_AUTHORIZED, "a rejection note needs the permission to delete images"
    if note.count > MOST:
        return Reason.OUT_OF_RESOURCES, f"a rejection note names at most {MOST} instances"
    if note.code == EXPIRED:
        allowed = access.represented("ImagingStudy", Permission.DELETE, "s.pat", "s.imaging_study")
        held = yield Statement(
            "SELECT 1 FROM study s JOIN study_hold h USING (study_uid)"
            f" WHERE s.study_uid = ANY(%s) AND {allowed.sql} LIMIT 1",
            (list(note.named), *allowed.params),
        )
        if held:
            return Reason.PROCESSING_FAILURE, "a study that the note names is under legal hold"
    return None


def reject(access: AccessContext, stored: Sequence[Received]) -> Work[None]:
    """Let the notes among `stored` objects take effect, as far as `access` may delete; audited."""
    for note in filter(None, map(note_of, stored)):
        for study, instances in note.named.items():
            yield from _reject(access, note, study, instances)


def reject_study(access: AccessContext, study: str, series: str | None, code: str) -> Work[list[str]]:
    """Take a study, or one series, out of use as a note with this code would: for people who decide it at a page.

    The SOP Instance UIDs. Raises as `delete`, and Invalid for a code that is none of CID 7011.
    """
    if code not in REJECTED and code != EXPIRED:
        raise invalid("this is no reason for a rejection", code="value")
    gone = yield from delete(access, study, series, code=code, word=WORD)
    if code in REJECTED:
        yield Statement(_AHEAD, (code, "", gone))
    return gone


_AHEAD = """
INSERT INTO rejected_instance (instance_uid, code, note)
SELECT DISTINCT u, %s, %s FROM unnest(%s::text[]) u ON CONFLICT (instance_uid) DO NOTHING"""


def _reject(access: AccessContext, note: Note, study: str, instances: Sequence[str]) -> Work[None]:
    allowed = access.represented("ImagingStudy", Permission.DELETE, "s.pat", "s.imaging_study")
    rows = yield Statement(LOCK.format(allowed=allowed.sql), (study, *allowed.params))
    gone: list[str] = []
    if rows:
        pk, patient, _ = rows[0]
        moved = yield Statement(
            MOVE.format(chosen="i.instance_uid = ANY(%s)"), (pk, list(instances), access.origin.account, note.code)
        )
        gone = [uid for (uid,) in moved]
    # a note may come before what it names; from somebody who sees a part only, it would tell of the rest
    kept_out = instances if access.sees_all("ImagingStudy", Permission.DELETE) else gone
    if note.code in REJECTED and kept_out:
        yield Statement(_AHEAD, (note.code, note.uid, list(kept_out)))
    if gone:
        yield from after(access, study, patient, gone, action="D", word=WORD)
