"""Whose resources an export has: everybody's, all patients', or those of certain patients.

Who is asked for by name, or is a member of a group, counts only as far as the caller may see the Patient: a patient out
of sight is one that is not there.

Spec: HL7 Bulk Data Access 2.0.0 export.html#endpoint---group-of-patients; FHIR R4, hl7.org/fhir/R4/group.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.bulk.asked import Export
from healix_fhir.kernel.arrays import int8, text
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.search.dates import interval
from healix_fhir.search.fragments import EVERYTHING
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import gone, missing
from smart_auth.access import AccessContext
from smart_auth.scope import Permission, Scope

PATIENT = TYPE_ID["Patient"]


class Cohort(msgspec.Struct, frozen=True):
    """`keys` are the surrogate keys of its patients; None for all of them, with `everything` for what is nobody's too.

    `only`: a resource that is in another patient's compartment as well is none of theirs. `issues` are for the error
    file.
    """

    keys: tuple[int, ...] | None = None
    everything: bool = False
    only: bool = False
    issues: tuple[str, ...] = ()

    def first(self, alias: str) -> Fragment:
        """The condition on a resource row that the patient whom it is about belongs here."""
        if self.everything:
            return EVERYTHING
        if self.keys is None:
            return Fragment(f"{alias}.pat IS NOT NULL")
        return self._apart(alias, Fragment(f"{alias}.pat = ANY(%s::bigint[])", (int8(self.keys),)))

    def further(self, alias: str) -> Fragment | None:
        """The condition on a row that only a further patient of it belongs here; None where all have a first."""
        if self.keys is None:
            return None
        keys = int8(self.keys)
        found = Fragment(
            f"({alias}.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = ANY(%s::bigint[]))"
            f" AND ({alias}.pat = ANY(%s::bigint[])) IS NOT TRUE)",
            (keys, keys),
        )
        return None if self.only else found

    def either(self, alias: str) -> Fragment:
        """The condition on a row that one of its patients belongs here."""
        first, further = self.first(alias), self.further(alias)
        if further is None:
            return first
        return Fragment(f"({first.sql} OR {further.sql})", first.params + further.params)

    def _apart(self, alias: str, first: Fragment) -> Fragment:
        if not self.only:
            return first
        others = (
            f"EXISTS (SELECT FROM compartment c WHERE c.pk = {alias}.pk AND (c.pat = ANY(%s::bigint[])) IS NOT TRUE)"
        )
        return Fragment(f"({first.sql} AND NOT {others})", (*first.params, int8(self.keys or ())))


def cohort(access: AccessContext, export: Export, bases: tuple[str, ...], moment: datetime) -> Work[Cohort]:
    """Whose resources are exported, as things stand at `moment`.

    Raises NotFound for a Group that the caller does not see, Gone, Unprocessable for one that lists nobody, Invalid for
    patients who are not there or no members.
    """
    issues: list[str] = []
    keys: tuple[int, ...] | None = None
    members: list[str] | None = None
    if export.group is not None:
        finding = _finding(access)
        members, issues = yield from _members(finding, export.group, bases, moment)
        keys = tuple((yield from _visible(finding, members)).values())
    if export.patients:
        seen = yield from _visible(access, export.patients)
        strange = [one for one in export.patients if one not in seen or (members is not None and one not in members)]
        if strange:
            where = "of this server" if members is None else f"in Group/{export.group}"
            raise invalid(
                f"patient: {', '.join(f'Patient/{one}' for one in strange[:20])} is no patient {where}",
                code="not-found",
                expression=("patient",),
            )
        keys = tuple(seen.values())
    return Cohort(keys, export.level == "system", bool(export.patients), tuple(issues))


def _finding(access: AccessContext) -> AccessContext:
    """The access to find a group's members by: clients ask for scopes on what they export, and on no Group.

    Where no scope is about Groups or Patients, those count whom a scope of the same contexts on them would open.
    Nothing of them is shown: what comes out has the predicate of its own type.
    """
    contexts, named = {one.context for one in access.scopes}, {one.type for one in access.scopes}
    needed = {"Group": Permission.READ, "Patient": Permission.SEARCH}
    lacking = {name: one for name, one in needed.items() if not {name, "*"} & named}
    scopes = {Scope(context, name, frozenset({one})) for context in contexts for name, one in lacking.items()}
    return msgspec.structs.replace(access, scopes=access.scopes | scopes)


def _visible(access: AccessContext, ids: Sequence[str]) -> Work[dict[str, int]]:
    """The surrogate keys of those patients whom the caller may see, by logical id."""
    access.require("Patient", Permission.SEARCH)
    predicate = access.predicate("Patient", Permission.SEARCH, "r")
    rows = yield Statement(
        f"""SELECT r.id, r.pat FROM unnest(%s::text[]) x (id) JOIN resource r ON r.type = %s AND r.id = x.id COLLATE "C"
            WHERE r.pat IS NOT NULL AND {predicate.sql}""",
        (text(ids), PATIENT, *predicate.params),
        prepare=False,
    )
    return dict(rows)


def _members(
    access: AccessContext, id_: str, bases: tuple[str, ...], moment: datetime
) -> Work[tuple[list[str], list[str]]]:
    """The logical ids of a group's patients, and what is to be told of members that are none."""
    access.require("Group", Permission.READ)
    predicate = access.predicate("Group", Permission.READ, "r")
    rows = yield Statement(
        f"SELECT r.version, r.deleted, r.body FROM resource r WHERE r.type = %s AND r.id = %s AND {predicate.sql}",
        (TYPE_ID["Group"], id_, *predicate.params),
    )
    if not rows:
        raise missing("Group", id_)
    version, deleted, body = rows[0]
    if deleted:
        raise gone("Group", id_, version)
    group = decode_stored(body)
    if not group.get("actual"):
        raise HealixError(
            Category.UNPROCESSABLE,
            f"Group/{id_} says what its members have in common, and does not list them: it cannot be exported",
            code="not-supported",
        )
    patients: dict[str, None] = {}
    others: dict[str, None] = {}
    for member in group.get("member", ()):
        reference = member.get("entity", {}).get("reference", "")
        found = target(reference, bases)
        if member.get("inactive") or not _lasts(member.get("period", {}), moment):
            continue
        if found is not None and found[0] == PATIENT:
            patients[found[1]] = None
        else:
            others[reference or "a member without a reference"] = None
    return list(patients), [
        f"Group/{id_}: {one[:100]} is no patient of this server, and was left out" for one in list(others)[:100]
    ]


def _lasts(period: dict[str, Any], moment: datetime) -> bool:
    begin, end = interval(period.get("start", "")), interval(period.get("end", ""))
    begun = begin is None or begin[0] is None or begin[0] <= moment
    return begun and (end is None or end[1] is None or moment < end[1])
