"""Write changes to resources: versions, history, index, compartments, audit and outbox in the caller's transaction.

The number of statements is fixed whatever the number of changes: new resources take one (and one for patients not met
before); a group with updates or deletions three; RelatedPersons among them add one, Appointments that have to do with
slots some (booking.py), and callers whose scopes are bound to patients one for their check.
Runs in READ COMMITTED; what exists is locked in the order (type, id).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.errors import SerializationFailure, UniqueViolation

from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Fragment, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.appointment import TYPE as APPOINTMENT
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.store.booking import book
from healix_fhir.store.concerned import concerned
from healix_fhir.store.decide import New, Same, decide, revise
from healix_fhir.store.define_parameters import TYPE as SEARCH_PARAMETER
from healix_fhir.store.define_parameters import define
from healix_fhir.store.dispensing import DISPENSE, count
from healix_fhir.store.guard import holdable
from healix_fhir.store.lock import PERMISSION, Old, lock, permit
from healix_fhir.store.owning import own
from healix_fhir.store.represent import TYPE as RELATED_PERSON
from healix_fhir.store.represent import represent
from healix_fhir.store.stored import Change, Committed, Method, Stored
from healix_fhir.store.write import Row, clear, keys_of, of_several, write
from smart_auth.access import AccessContext
from smart_auth.denial import Denial, record_denials
from smart_auth.owned import OWNED_TYPES
from smart_auth.patients import patient_keys
from smart_auth.several import note

Member = tuple[AccessContext, Change]

ACTING = frozenset({"Subscription"})
"""Types that make the server act later in the name of who wrote them: their events tell who that was."""

INTERACTION = {Method.POST: "create", Method.PUT: "update", Method.PATCH: "patch", Method.DELETE: "delete"}


def commit(access: AccessContext, changes: Sequence[Change]) -> Work[list[Committed]]:
    """Make all of `changes` for one caller; raises the first refusal, so that the transaction leaves nothing.

    No two changes may be about the same resource.
    """
    outcomes = yield from commit_each([(access, change) for change in changes])
    for outcome in outcomes:
        if isinstance(outcome, HealixError):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Committed)]


def commit_each(members: Sequence[Member]) -> Work[list[Committed | HealixError]]:
    """Make the changes of several callers; each is made or refused by itself, the database's errors hit all.

    No two may be about the same resource.
    """
    refused = _refused(members)
    existing = [member for member in members if member[1].method is not Method.POST]
    olds: Mapping[tuple[str, str], Old] = {}
    if existing:
        olds = yield from lock(existing)
        members = _revised(members, olds, refused)
    moment = clock.now()
    decisions: list[New | Same | HealixError] = [
        refused.get(n) or decide(access, change, olds.get((change.type, change.id)), moment)
        for n, (access, change) in enumerate(members)
    ]
    yield from _check_compartments(members, decisions)
    types = {change.type for _, change in members}
    if APPOINTMENT in types:
        yield from book(members, decisions)
    if DISPENSE in types:
        yield from count(members, decisions)
    if not types.isdisjoint(OWNED_TYPES):
        yield from own(members, decisions)
    keys = yield from patient_keys(_patients(members, decisions))
    if SEARCH_PARAMETER in types:
        yield from _define(members, decisions)
    rows = [
        Row(change, decision, _compartments(change, decision, keys), _by(access, change), access.origin.request)
        for (access, change), decision in zip(members, decisions, strict=True)
        if isinstance(decision, New)
    ]
    if olds:
        rows.sort(key=lambda row: (TYPE_ID[row.change.type], row.change.id))
        if any(row.new.old for row in rows):
            yield clear(rows)
    vain = [member for member, decision in zip(members, decisions, strict=True) if _is_vain(*member, decision)]
    if vain:
        yield record_denials(
            [
                (access.origin, Denial("D", "delete", f"{change.type}/{change.id}", concerned(change.type, change.id)))
                for access, change in vain
            ]
        )
    audits = [row for member, decision in zip(members, decisions, strict=True) for row in _audit(*member, decision)]
    if audits:
        note(of_several(rows))
        try:
            yield write(rows, audits)
            if any(row.change.type == RELATED_PERSON for row in rows):
                yield represent(rows)
        except UniqueViolation as error:  # another transaction has just made what was not there: decide again
            raise SerializationFailure("lost a race for a resource id") from error
    return [_outcome(change, decision, keys) for (_, change), decision in zip(members, decisions, strict=True)]


def _refused(members: Sequence[Member]) -> dict[int, HealixError]:
    """Members whose token lacks the permission on the type altogether."""
    refused = {}
    for n, (access, change) in enumerate(members):
        try:
            permit(access, change.type, change.method)
        except HealixError as error:
            refused[n] = error
    return refused


def _revised(
    members: Sequence[Member], olds: Mapping[tuple[str, str], Old], refused: dict[int, HealixError]
) -> list[Member]:
    """The members with the resources that their patches make; those that make none are refused.

    Raises SerializationFailure when a resource has changed since its caller looked at it, to look again.
    """
    revised = []
    for n, (access, change) in enumerate(members):
        old = olds.get((change.type, change.id))
        if change.seen is not None and old is not None and old.version != change.seen:
            raise SerializationFailure(f"{change.type}/{change.id} has changed meanwhile")
        made = revise(change, old) if n not in refused else change
        if isinstance(made, HealixError):
            refused[n] = made
        revised.append((access, change if isinstance(made, HealixError) else made))
    return revised


def _patients(members: Sequence[Member], decisions: Sequence[New | Same | HealixError]) -> list[str]:
    """The patients of what is not refused: a refusal leaves nothing, and costs the same whether a patient is known."""
    return list(
        dict.fromkeys(
            id_
            for (_, change), decision in zip(members, decisions, strict=True)
            if not isinstance(decision, HealixError)
            for id_ in change.rows.patients
        )
    )


def _by(access: AccessContext, change: Change) -> dict[str, str | None] | None:
    return access.captured() if change.type in ACTING else None


def _compartments(change: Change, decision: New, keys: Mapping[str, int]) -> tuple[int, ...]:
    if change.method is Method.DELETE and decision.old is not None:
        return tuple(key for _, key in decision.old.patients)
    return keys_of(change.rows.patients, keys)


def _check_compartments(members: Sequence[Member], decisions: list[New | Same | HealixError]) -> Work[None]:
    """Refuse new versions in compartments, or of a content, that are not open to their caller; and what would take a
    resource of several patients out of the compartment of one who is not: to see it, one of them is enough.
    """
    made = [(n, access, change) for n, (access, change) in enumerate(members) if isinstance(decisions[n], New)]
    written = [(n, access, change) for n, access, change in made if change.resource is not None]
    left = [(n, access, change, old) for n, access, change in made if (old := _of_several(decisions[n])) is not None]
    allowed = yield from holdable(
        [
            *((n, _holding(access, change), change.rows.patients) for n, access, change in written),
            *((~n, _held(access, change, old), [id_ for id_, _ in old.patients]) for n, access, change, old in left),
        ]
    )
    for n, access, change in written:
        if n not in allowed and access.owner(change.type, PERMISSION[change.method]) is None:
            what = "this" if access.bounded(change.type, PERMISSION[change.method]) else "that patient's"
            message = f"the token does not allow to put this {change.type} into {what} record"
            decisions[n] = HealixError(Category.FORBIDDEN, message, patients=tuple(change.rows.patients))
    for n, _, change, old in left:
        if ~n not in allowed and not isinstance(decisions[n], HealixError):
            message = f"the token does not allow to change this {change.type}, which is in another patient's record too"
            decisions[n] = HealixError(Category.FORBIDDEN, message, patients=tuple(id_ for id_, _ in old.patients))


def _of_several(decision: New | Same | HealixError) -> Old | None:
    """The version that is written over, where it is in the compartments of several patients."""
    old = decision.old if isinstance(decision, New) else None
    return old if old is not None and not old.deleted and len(old.patients) > 1 else None


def _held(access: AccessContext, change: Change, old: Old) -> Fragment:
    """The condition on every patient key of the version that is written over, `n.pat`, that the caller may do so."""
    return access.compartments_of(change.type, PERMISSION[change.method], "n.pat", change.id, decode_stored(old.body))


def _holding(access: AccessContext, change: Change) -> Fragment:
    """The condition on every patient key of a new version, `n.pat`, that the caller may write it."""
    assert change.resource is not None
    return access.compartments_of(change.type, PERMISSION[change.method], "n.pat", change.id, change.resource)


def _define(members: Sequence[Member], decisions: list[New | Same | HealixError]) -> Work[None]:
    """Change the custom search parameters, and refuse those that clash with another's."""
    changing = {
        change.id: (n, () if change.method is Method.DELETE else change.defines)
        for n, (_, change) in enumerate(members)
        if change.type == SEARCH_PARAMETER and isinstance(decisions[n], New)
    }
    if changing:
        refused = yield from define({id_: defines for id_, (_, defines) in changing.items()})
        for id_, refusal in refused.items():
            decisions[changing[id_][0]] = refusal


def _audit(access: AccessContext, change: Change, decision: New | Same | HealixError) -> list[AuditRow]:
    """One row for each patient concerned, before or after; one without patient where there is none."""
    if isinstance(decision, HealixError) or _is_vain(access, change, decision):
        return []
    before = [id_ for id_, _ in decision.old.patients] if decision.old else []
    patients: list[str | None] = [*dict.fromkeys([*change.rows.patients, *before])]
    created = isinstance(decision, New) and decision.created
    action = "D" if change.method is Method.DELETE else "C" if created else "U"
    entity = f"{change.type}/{change.id}"
    return [
        AuditRow(access.origin, action, INTERACTION[change.method], patient=patient, entity=entity)
        for patient in patients or [None]
    ]


def _is_vain(access: AccessContext, change: Change, decision: New | Same | HealixError) -> bool:
    """Whether a deletion found nothing that its caller may delete: for all it is told there was nothing."""
    if change.method is not Method.DELETE or not isinstance(decision, Same) or decision.old is not None:
        return False
    return not access.sees_all(change.type, PERMISSION[change.method])


def _outcome(change: Change, decision: New | Same | HealixError, keys: Mapping[str, int]) -> Committed | HealixError:
    if isinstance(decision, HealixError):
        return decision
    patients = tuple([(id_, keys[id_]) for id_ in change.rows.patients])
    if isinstance(decision, New):
        return Committed(decision.stored, decision.created, changed=True, patients=patients)
    old = decision.old
    stored = Stored(change.type, change.id, old.version, old.updated, old.body) if old else None
    return Committed(stored, created=False, changed=False, patients=patients)
