"""Taking a change of labels back: the objects that it replaced take their places again, byte for byte.

As long as they are kept (HEALIX_DELETED_STUDIES_KEPT) and nothing else came over what the change made. After that, what
was replaced stands in the Original Attributes Sequence of each object.
"""

from __future__ import annotations

from dicomweb.events import study_changed
from dicomweb.study.counted import counted
from dicomweb.study.delete import MOVE
from dicomweb.study.relabel.asked import WORD, Relabelling, find, require, settle
from dicomweb.study.relabel.perform import RELABELLED
from dicomweb.study.restore import put_back
from dicomweb.study.rows import audited
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.outbox import publish
from smart_auth.access import AccessContext

OVER = "what the change made was changed since: take the later change back first"
GONE = "what the change replaced is not kept any more; the Original Attributes Sequence of each object says what it was"

_LOCK = """
SELECT s.study_uid, s.pk, k.id, EXISTS (SELECT FROM study_hold h WHERE h.study_uid = s.study_uid)
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat
WHERE s.study_uid = ANY(%s) OR s.pk IN (
  SELECT e.study_pk FROM relabelled_instance r JOIN instance i ON i.blob = r.after JOIN series e ON e.pk = i.series_pk
  WHERE r.relabelling = %s)
ORDER BY s.study_uid FOR UPDATE OF s"""

_MADE = """
SELECT s.study_uid, i.blob FROM relabelled_instance r JOIN instance i ON i.blob = r.after
JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk WHERE r.relabelling = %s"""

_KEPT = """
SELECT d.study_uid, d.pk FROM relabelled_instance r JOIN deleted_instance d ON d.blob = r.before
WHERE r.relabelling = %s ORDER BY d.pk FOR UPDATE OF d"""


def undo(access: AccessContext, number: int) -> Work[Relabelling]:
    """Take the change of this number back; audited.

    Raises Forbidden, NotFound, Conflict when it was not made, cannot be taken back any more, or holds are on it.
    """
    require(access)
    change = yield from find(number)
    if change.state == "asked":
        yield settle(number, "undone")
        row = AuditRow(access.origin, "U", WORD, entity=change.study, query="taken back before it was made")
        yield record([row])
        return (yield from find(number))
    if change.state != "done":
        raise HealixError(Category.CONFLICT, "the change was not made, or is taken back already")
    both = [change.study, change.target]
    locked = yield Statement(_LOCK, (both, number))
    studies = sorted({*both, *(row[0] for row in locked)})
    if any(held for *_, held in locked):
        raise HealixError(Category.CONFLICT, "a study under legal hold stays as it is")
    made = yield Statement(_MADE, (number,))
    kept = yield Statement(_KEPT, (number,))
    if len(made) != change.instances:
        raise HealixError(Category.CONFLICT, OVER)
    if len(kept) != change.instances:
        raise HealixError(Category.CONFLICT, GONE)
    yield from _alone(change)
    for study, pk, *_ in locked:
        blobs = [blob for of, blob in made if of == study]
        if blobs:
            yield Statement(MOVE.format(chosen="i.blob = ANY(%s)"), (pk, blobs, access.origin.account, RELABELLED))
            yield from counted(study)
    back: list[str] = []
    for study in studies:
        if keys := [pk for of, pk in kept if of == study]:
            back += yield from put_back(study, keys)
    if len(back) != change.instances:
        raise HealixError(Category.CONFLICT, OVER)
    for study in studies:
        yield from counted(study)
    yield Statement(
        """INSERT INTO study_assignment (study_uid, patient, account)
           SELECT study_uid, assigned, account FROM relabelling WHERE id = %s AND assigned IS NOT NULL
           ON CONFLICT (study_uid) DO NOTHING""",
        (number,),
    )
    patients = dict.fromkeys(row[2] for row in locked) or {None: None}
    what = f"taken back: {audited(back)}"
    yield record([AuditRow(access.origin, "U", WORD, patient=one, entity=change.study, query=what) for one in patients])
    yield settle(number, "undone")
    yield publish(study_changed(studies))
    return (yield from find(number))


def _alone(change: Relabelling) -> Work[None]:
    """Refuse (Conflict) where what came since has the labels that are to be taken back."""
    if change.target != change.study:
        return
    rows = yield Statement("SELECT instance_count FROM study WHERE study_uid = %s", (change.study,))
    if rows and rows[0][0] != change.instances:
        raise HealixError(Category.CONFLICT, "objects came to the study since, with the labels that it has now")
