"""Studies go back when a merge of Patients is undone.

A study stays with the Patient to whom its PatientID once led, and a merge leads to the one that stays. Undone, it is
forgotten where the numbers of the other Patient led, so that the bridge looks anew. Studies given by hand stay.

Spec: IHE RAD TF-1 4 (Patient Information Reconciliation)
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.events import study_changed
from healix_fhir.imaging.patients import fits
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode


def consumer(events: Sequence[Event]) -> Work[None]:
    """The consumer of the events of undone merges."""
    for event in events:
        yield from _look_anew(event.payload["source"], event.payload["target"])


def _look_anew(source: str, target: str) -> Work[None]:
    rows = yield Statement(
        """SELECT p.patient_id, p.issuer, r.body FROM study_patient p JOIN patient_key k ON k.pat = p.pat
           JOIN resource r ON r.type = %s AND r.id = %s AND NOT r.deleted WHERE k.id = %s""",
        (TYPE_ID["Patient"], source, target),
    )
    keys = [(id_, issuer) for id_, issuer, body in rows if fits(decode(bytes(body)), (id_, issuer))]
    if not keys:
        return
    studies = yield Statement(
        """WITH forgotten AS (
             DELETE FROM study_patient p USING unnest(%s::text[], %s::text[]) AS x (patient_id, issuer)
             WHERE p.patient_id = x.patient_id AND p.issuer = x.issuer RETURNING p.patient_id, p.issuer)
           SELECT s.study_uid FROM study s JOIN forgotten f
             ON s.patient_id = f.patient_id AND coalesce(s.patient_id_issuer, '') = f.issuer""",
        ([one for one, _ in keys], [one for _, one in keys]),
    )
    if studies:
        yield publish(study_changed(uid for (uid,) in studies))
