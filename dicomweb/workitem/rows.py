"""Workitems as rows: found and locked for a change, and written with the values that they are found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.uid import check_uid
from dicomweb.workitem import as_task
from dicomweb.workitem.attributes import MODIFIED, START, STATE
from dicomweb.workitem.keys import Key, keys, moments, zone_of
from dicomweb.workitem.marks import marks
from dicomweb.workitem.states import State
from dicomweb.workitem.status import missing
from healix_fhir.kernel import arrays, clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission, bounded, contexts

TYPE = "Task"
"""The FHIR type whose scopes open workitems (docs/decisions/0105)."""
SERVICE = "UPS-RS"
MOST_VALUES = 20_000
"""Values of one workitem, with the words of its names."""


@dataclass(frozen=True, slots=True)
class Workitem:
    """A workitem that the caller may see. `patient` is the logical id of its patient, where that is known."""

    pk: int
    uid: str
    state: State
    transaction_uid: str | None
    dataset: DataSet
    patient: str | None


def visible(access: AccessContext, permission: Permission) -> Fragment:
    """The condition on the rows `w` that a caller may see. Raises Forbidden when the scopes open none at all."""
    _require(access, permission)
    return access.asking(TYPE, permission, "w.pat", as_task.condition)


def reached(access: AccessContext, permission: Permission) -> Fragment:
    """The condition on the patient `w.pat` of rows that a caller may see, if the queries of scopes hold of them too.

    Raises Forbidden when the scopes open none at all.
    """
    _require(access, permission)
    if access.bounded(TYPE, permission):
        return access.reach(TYPE, permission, "w.pat")
    return visible(access, permission)


def _require(access: AccessContext, permission: Permission) -> None:
    access.require(TYPE, permission)
    if contexts(access.scopes, TYPE, permission):
        return
    if not any(as_task.asks(scope.query) for scope in bounded(access.scopes, TYPE, permission)):
        raise forbidden(
            f"{SERVICE} can be opened by a scope on {TYPE} whose query asks for {', '.join(as_task.PARAMETERS)} alone"
        )


def is_open(access: AccessContext, permission: Permission, pk: int) -> Work[bool]:
    """Whether the queries of the caller's scopes hold of an item as it is now, where they decide.

    What a locked row was found by may have changed while its lock was waited for.
    """
    if not access.bounded(TYPE, permission):
        return True
    condition = visible(access, permission)
    rows = yield Statement(f"SELECT FROM workitem w WHERE w.pk = %s AND {condition.sql}", (pk, *condition.params))
    return bool(rows)


def find(access: AccessContext, permission: Permission, uid: str, *, lock: bool = False) -> Work[Workitem]:
    """The workitem `uid`; one statement. Raises NotFound also for what is hidden, Gone for what is over and removed."""
    check_uid(uid, "the workitem's UID")
    condition = visible(access, permission)
    rows = yield Statement(
        "SELECT w.pk, w.uid, w.state, w.transaction_uid, w.dataset, k.id FROM workitem w"
        f" LEFT JOIN patient_key k ON k.pat = w.pat WHERE w.uid = %s AND {condition.sql}"
        f"{' FOR NO KEY UPDATE OF w' if lock else ''}",
        (uid, *condition.params),
    )
    if not rows or (lock and not (yield from is_open(access, permission, rows[0][0]))):
        raise missing()
    pk, uid, state, transaction_uid, dataset, patient = rows[0]
    if dataset is None:
        raise HealixError(Category.GONE, "the workitem was removed some time after it had ended")
    return Workitem(pk, uid, State(state), transaction_uid, msgspec.json.decode(dataset), patient)


_WRITE = """
WITH changed AS (
       UPDATE workitem SET state = %s, transaction_uid = %s, dataset = %s, scheduled = %s, marks = %s::bigint[],
           updated = now()
       WHERE pk = %s),
     gone AS (DELETE FROM workitem_key WHERE workitem = %s)
INSERT INTO workitem_key (workitem, path, item, value) SELECT %s, x.path, x.item::int[], x.value FROM {keys}"""

KEYS = "unnest(%s::text[], %s::text[], %s::text[]) AS x (path, item, value)"
"""A relation of the parameters that `key_params` makes."""


def write(
    access: AccessContext, item: Workitem, state: State, transaction_uid: str | None, dataset: DataSet
) -> Work[None]:
    """Put a locked item into a state, with new content. Raises Forbidden where the caller may not make it so."""
    found = found_by(dataset)
    yield Statement(
        _WRITE.format(keys=KEYS),
        (
            state.value, transaction_uid, msgspec.json.encode(dataset), scheduled(dataset), arrays.int8(marks(found)),
            item.pk, item.pk, item.pk, *key_params(found),
        ),
    )  # fmt: skip
    if not (yield from is_open(access, Permission.UPDATE, item.pk)):
        raise forbidden("the token does not allow to bring the workitem into this state, or to give it this content")


def found_by(dataset: DataSet) -> list[Key]:
    """The values that an item is found by. Raises Invalid for too many."""
    found = keys(dataset)
    if len(found) > MOST_VALUES:
        raise invalid(f"a workitem may have at most {MOST_VALUES} values", code="too-costly")
    return found


def key_params(found: Sequence[Key]) -> tuple[arrays.Array, ...]:
    """The bound parameters of `KEYS`."""
    return (
        arrays.text(key.path for key in found),
        arrays.text("{" + ",".join(map(str, key.item)) + "}" for key in found),
        arrays.text(key.value for key in found),
    )


def scheduled(dataset: Mapping[str, Any]) -> str:
    """When a step is to begin, as the list is ordered; empty where that is no moment."""
    values = dataset.get(START, {}).get("Value") or [""]
    span = moments(values[0], zone_of(dataset))
    return span[0] if span is not None else ""


def stamped(dataset: DataSet, state: State) -> DataSet:
    """A data set with its state and the moment of its last change, in order of the tags."""
    moment = clock.now().strftime("%Y%m%d%H%M%S.%f+0000")
    own = {STATE: {"vr": "CS", "Value": [state.value]}, MODIFIED: {"vr": "DT", "Value": [moment]}}
    return dict(sorted((dataset | own).items()))


def audited(access: AccessContext, action: str, word: str, item: Workitem) -> Statement:
    """The audit row of what was done with an item."""
    return record([AuditRow(access.origin, action, word, patient=item.patient, entity=item.uid)])
