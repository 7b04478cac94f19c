"""What refers to a Patient, made to refer to another, a group at a time.

Found is what the index of references knows, and what is in the Patient's compartment; in that every reference is
rewritten, also those in extensions. A reference outside of it that no search parameter finds stays as it is: the
merged Patient stays too, and says by which it was replaced.

Spec: FHIR R5, hl7.org/fhir/R5/patient-operation-merge.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import too_large
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode_stored
from healix_fhir.model.references import rewrite
from healix_fhir.operation.merging.records import PATIENT, Json
from healix_fhir.store.stored import Change, Method

GROUP = 500
MOST = 20_000
"""Resources that one merge moves, in one transaction."""

_REFERRING = """
SELECT r.pk, r.type, r.id, r.version, r.body FROM resource r
WHERE NOT r.deleted AND r.type <> %(patient)s AND r.pk > %(after)s AND r.pk IN (
  SELECT x.pk FROM index_reference x WHERE x.target_type = %(patient)s AND x.target = %(id)s
  UNION SELECT i.container FROM index_contained i JOIN index_reference x ON x.pk = i.pk
        WHERE x.target_type = %(patient)s AND x.target = %(id)s
  UNION SELECT q.pk FROM resource q JOIN patient_key k ON k.pat = q.pat WHERE k.id = %(id)s
  UNION SELECT c.pk FROM compartment c JOIN patient_key k ON k.pat = c.pat WHERE k.id = %(id)s)
ORDER BY r.pk LIMIT %(most)s"""


def moved(source: str, into: str, version: int, bases: tuple[str, ...]) -> Iterator[Work[list[Change]]]:
    """The changes that move what refers to a Patient, group by group; each group is to be made before the next.

    `version` is that of the Patient that stays, for references to one version.
    """
    state = _State()
    while not state.over:
        yield _group(state, source, into, version, bases)


class _State:
    """How far the groups have come."""

    def __init__(self) -> None:
        self.after = 0
        self.count = 0
        self.over = False


def _group(state: _State, source: str, into: str, version: int, bases: tuple[str, ...]) -> Work[list[Change]]:
    rows = yield Statement(
        _REFERRING, {"patient": TYPE_ID[PATIENT], "id": source, "after": state.after, "most": GROUP}, prepare=False
    )
    state.over = len(rows) < GROUP
    state.count += len(rows)
    if state.count > MOST:
        raise too_large(f"$merge moves at most {MOST} resources at once; Patient/{source} has more")
    made = []
    for pk, type_id, id_, seen, body in rows:
        state.after = pk
        resource = pointed(decode_stored(body), source, into, version, bases)
        if resource is not None:
            type_name = TYPE_NAME[type_id]
            made.append(msgspec.structs.replace(change(Method.PUT, resource, type_name, id_, bases), seen=seen))
    return made


def pointed(resource: Json, source: str, into: str, version: int, bases: tuple[str, ...]) -> Json | None:
    """A resource with all that refers to one Patient referring to another; None where nothing does."""
    names = (f"{PATIENT}/{source}", *(f"{base.rstrip('/')}/{PATIENT}/{source}" for base in bases))
    goal = f"{PATIENT}/{into}"
    before = msgspec.json.encode(resource, enc_hook=str)
    rewrite(resource, dict.fromkeys(names, goal), {goal: version})
    return resource if msgspec.json.encode(resource, enc_hook=str) != before else None
