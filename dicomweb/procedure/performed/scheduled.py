"""Which scheduled steps a performed step is of, and how these stand then.

An item of the Scheduled Step Attributes Sequence means the step with its ID, if that is also of its study or patient;
without an ID, the step of its study, else that of its accession number and patient. A step that means none was not
scheduled here.

Spec: PS3.4 F.7.2.1.2, notes (2024d); IHE RAD TF-2 4.6.4.1.2.3 for the cases: simple, unscheduled, group, append
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.content import items, text
from dicomweb.procedure.performed.attributes import SCHEDULED
from dicomweb.procedure.performed.requirements import State
from dicomweb.procedure.performed.standing import standing
from healix_fhir.kernel.database import Statement, Work

MOST_ITEMS = 100
"""Scheduled steps of one performed step."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What an item says of the scheduled step that it means."""

    step_id: str
    study_uid: str
    accession: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scheduled step that may be meant."""

    pk: int
    step_id: str
    study_uid: str
    accession: str
    patient_id: str
    pat: int | None
    issuer: str = ""


def meant(dataset: DataSet) -> list[Meant]:
    """What the items of a performed step say."""
    return [
        Meant(text(item, "00400009"), text(item, "0020000D"), text(item, "00080050"))
        for item in items(dataset, SCHEDULED)
    ]


def chosen(item: Meant, patient_id: str, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The scheduled steps that an item means."""
    if item.step_id:
        return [
            one
            for one in candidates
            if one.step_id == item.step_id and (one.study_uid == item.study_uid or one.patient_id == patient_id)
        ]
    of_study = [one for one in candidates if one.study_uid == item.study_uid]
    return of_study or [
        one for one in candidates if item.accession and (one.accession, one.patient_id) == (item.accession, patient_id)
    ]


_CANDIDATES = """
SELECT s.pk, s.step_id, s.study_uid, s.accession, s.patient_id, s.pat, s.issuer FROM scheduled_step s
WHERE s.dataset IS NOT NULL AND (s.step_id = ANY(%s) OR s.study_uid = ANY(%s)
  OR (s.accession = ANY(%s) AND s.patient_id = %s))
ORDER BY s.pk FOR NO KEY UPDATE OF s"""


def find(asked: Sequence[Meant], patient_id: str) -> Work[list[Candidate]]:
    """The scheduled steps of a new performed step; their rows are locked. One statement."""
    rows = yield Statement(
        _CANDIDATES,
        (
            [item.step_id for item in asked if item.step_id],
            [item.study_uid for item in asked if item.study_uid],
            [item.accession for item in asked if item.accession],
            patient_id,
        ),
    )
    candidates = [Candidate(*row) for row in rows]
    found = {one.pk: one for item in asked for one in chosen(item, patient_id, candidates)}
    return [found[pk] for pk in sorted(found)]


_STANDING = """
SELECT x.pk, p.state, p.reason FROM unnest(%s::bigint[]) AS x (pk) JOIN performed_step p ON p.steps @> ARRAY[x.pk]"""


def settle(steps: Sequence[int]) -> Work[None]:
    """Let scheduled steps stand as their performed steps make them. Two statements, none where there are no steps."""
    if not steps:
        return
    yield Statement("SELECT FROM scheduled_step WHERE pk = ANY(%s) ORDER BY pk FOR NO KEY UPDATE", (list(steps),))
    rows = yield Statement(_STANDING, (list(steps),))
    of: Mapping[int, list[tuple[State, str | None]]] = {pk: [] for pk in steps}
    for pk, state, reason in rows:
        of[pk].append((State(state), reason))
    yield Statement(
        """UPDATE scheduled_step s SET performed = x.performed, updated = now()
           FROM unnest(%s::bigint[], %s::text[]) AS x (pk, performed)
           WHERE s.pk = x.pk AND s.performed <> x.performed""",
        (list(of), [standing(each) for each in of.values()]),
    )
