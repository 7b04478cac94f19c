"""What a patient's Consents and the labels of a resource hide from clinicians, as conditions on rows.

`consent_rule` holds the provisions of the active privacy Consents, each with its own conditions; `chain` names the
provisions that enclose one, and itself. A Consent denies what fulfils the conditions of one of its denying provisions
and of all that enclose it, unless a permitting provision within that one fulfils all of its own as well. One Consent
that denies is enough. `index_label` holds the security labels of resources; a `restricted` one hides its resource from
everyone whose account is not cleared for it.

A team or group that a Consent names is changed by patients and systems only, like the Consent itself: nobody may join
what it permits, or leave what it denies.

Neither concerns patients in their own record or `system/` scopes. An emergency access that `lifts` (smart_auth/
relationship.py) shows what they hide. The rows are made by healix_fhir/search/consent_rules.py and security_labels.py.

Spec: FHIR R4, hl7.org/fhir/R4/consent.html, hl7.org/fhir/R4/security-labels.html
"""

from __future__ import annotations

import msgspec

from healix_fhir.kernel.conditions import any_of
from healix_fhir.kernel.database import Fragment
from smart_auth.relationship import CHANGING
from smart_auth.scope import Permission

CONSENTS, LABELS = "consent", "label"
"""The kinds of narrowing, by which the table `narrowing` says whether there is any."""

ACTION = {
    Permission.READ: "read",
    Permission.SEARCH: "read",
    Permission.CREATE: "create",
    Permission.UPDATE: "change",
    Permission.DELETE: "change",
}
"""The actions of rules, by what they are asked for."""


GATHERING = frozenset({"CareTeam", "Group"})
"""What rules may name, and those in care may change otherwise."""


class Viewer(msgspec.Struct, frozen=True):
    """Who looks: a clinician (`practitioner`, a logical id), or a person who acts for patients beside the `own` one.

    `actors` are the names by which a rule may name the person and the app, as far as they are known without asking.
    """

    actors: tuple[str, ...]
    practitioner: str | None = None
    account: str | None = None
    own: int | None = None


def shown(viewer: Viewer, type_name: str, permission: Permission, alias: str, kinds: frozenset[str]) -> list[Fragment]:
    """The conditions that nothing hides, or keeps, the row `alias` of a type, which has the columns `pat` and `pk`.

    What hides is the same for resources of all types: what rules say of types is asked of the resource.
    """
    of_row = Fragment(_OF_ROW.format(key=f"{alias}.pk"))
    found = _shown(viewer, permission, f"{alias}.pat", f"{alias}.pk", of_row, kinds)
    if type_name in GATHERING and permission in CHANGING and CONSENTS in kinds:
        found.append(_unnamed(viewer, type_name, alias))
    return found


def _unnamed(viewer: Viewer, type_name: str, alias: str) -> Fragment:
    """The condition that no Consent names the team or group `alias`, itself or by what it belongs to."""
    named = f"belonging(ARRAY['{type_name}/' || hr.id]) COLLATE \"default\""
    unnamed = Fragment(
        f"NOT EXISTS (SELECT FROM resource hr JOIN consent_rule hn ON hn.actors && ({named}) WHERE hr.pk = {alias}.pk)"
    )
    return unnamed if viewer.own is None else any_of([Fragment(f"{alias}.pat = %s", (viewer.own,)), unnamed])


def represented(
    viewer: Viewer, type_name: str, permission: Permission, column: str, key: str, kinds: frozenset[str]
) -> list[Fragment]:
    """The conditions that nothing hides a row of the patient `column` which stands for the resource with the key `key`.

    While that is null, because the resource is still to be made, the row is one of `type_name` without labels.
    """
    of_row = Fragment(
        f"(ha.types IS NULL OR %s = ANY(ha.types)) AND {_LABELLED.format(key=key)}"
        f" AND (ha.data IS NULL OR EXISTS (SELECT FROM resource hy WHERE hy.pk = {key} AND {_SINGLE}))",
        (type_name,),
    )
    return _shown(viewer, permission, column, key, of_row, kinds)


def _shown(
    viewer: Viewer, permission: Permission, column: str, key: str, of_row: Fragment, kinds: frozenset[str]
) -> list[Fragment]:
    patients = f"({column} || ARRAY(SELECT hc.pat FROM compartment hc WHERE hc.pk = {key}))"
    found = []
    if CONSENTS in kinds:
        found.append(_not_denied(viewer, patients, _met(viewer, permission, of_row, of_row)))
    if LABELS in kinds and viewer.practitioner is not None:
        lifted = _lifted(viewer, f"= ANY{patients}")
        found.append(
            Fragment(
                f"NOT EXISTS (SELECT FROM index_label hl WHERE hl.pk = {key} AND hl.restricted"
                " AND hl.label <> ALL(coalesce("
                "(SELECT ha.clearance FROM account ha WHERE ha.username = %s), '{}'::text[]))"
                f" AND NOT {lifted.sql})",
                (viewer.account, *lifted.params),
            )
        )
    return found


def consented(viewer: Viewer, type_name: str, permission: Permission, column: str) -> Fragment:
    """The condition that the patient whose key is `column` denies not every resource of a type.

    For rows of which nothing but the patient is known: rules about labels and single resources deny none of them.
    """
    of_type = "(ha.types IS NULL OR %s = ANY(ha.types))"
    denying = Fragment(f"{of_type} AND ha.labels IS NULL AND ha.data IS NULL", (type_name,))
    met = _met(viewer, permission, denying, Fragment(of_type, (type_name,)))
    return _not_denied(viewer, f"(ARRAY[{column}])", met)


_BELONGING = '(SELECT belonging(ARRAY[{actors}] COLLATE "C"))'
"""What somebody belongs to now, directly or through what that belongs to; the union ends where it goes round.

A function (migration 0046), because the planner believes that a recursion is dear: it read all rows of a code for a
patient's page rather than ask this of a few.
"""


class _Met(msgspec.Struct, frozen=True):
    """The conditions that the rule `ha` is met: as one that denies, and as one that permits."""

    denying: Fragment
    permitting: Fragment


def _met(viewer: Viewer, permission: Permission, of_deny: Fragment, of_permit: Fragment) -> _Met:
    places = ", ".join(["%s"] * len(viewer.actors))
    fixed = (
        "(ha.starts IS NULL OR ha.starts <= now()) AND (ha.ends IS NULL OR ha.ends > now())"
        f" AND (ha.actors IS NULL OR ha.actors && {_BELONGING.format(actors=places)})"
        " AND (ha.actions IS NULL OR %s = ANY(ha.actions))"
    )
    params = (*viewer.actors, ACTION[permission])
    return _Met(
        Fragment(f"{fixed} AND {of_deny.sql}", params + of_deny.params),
        Fragment(f"{fixed} AND {of_permit.sql}", params + of_permit.params),
    )


_LABELLED = "(ha.labels IS NULL OR ha.labels && ARRAY(SELECT hl.label FROM index_label hl WHERE hl.pk = {key}))"
_SINGLE = "hy.type || '/' || hy.id = ANY(ha.data)"

_OF_ROW = (
    f"{_LABELLED}"
    " AND ((ha.type_ids IS NULL AND ha.data IS NULL) OR EXISTS (SELECT FROM resource hy WHERE hy.pk = {key}"
    "   AND (ha.type_ids IS NULL OR hy.type = ANY(ha.type_ids))"
    f"   AND (ha.data IS NULL OR {_SINGLE})))"
)
"""The conditions of the rule `ha` on the row with the key `key` itself."""


def _not_denied(viewer: Viewer, patients: str, met: _Met) -> Fragment:
    """The condition that no Consent of `patients` (an array of keys) denies.

    Who acts for a patient is denied by rules that name them only: they stand for the patient who made the others.
    """
    lifted = _lifted(viewer, "= hd.pat")
    of_proxies = "" if viewer.practitioner is not None else " AND hd.actors IS NOT NULL"
    denied = Fragment(
        f"NOT EXISTS (SELECT FROM consent_rule hd WHERE hd.pat = ANY{patients} AND hd.denies{of_proxies}"
        " AND NOT EXISTS (SELECT FROM consent_rule ha WHERE ha.pk = hd.pk AND ha.n = ANY(hd.chain)"
        f" AND NOT ({met.denying.sql}))"
        " AND NOT EXISTS (SELECT FROM consent_rule hp WHERE hp.pk = hd.pk AND NOT hp.denies AND hd.n = ANY(hp.chain)"
        " AND NOT EXISTS (SELECT FROM consent_rule ha WHERE ha.pk = hp.pk AND ha.n = ANY(hp.chain)"
        f" AND NOT ({met.permitting.sql})))"
        f" AND NOT {lifted.sql})",
        (*met.denying.params, *met.permitting.params, *lifted.params),
    )
    return (
        denied
        if viewer.own is None
        else Fragment(f"(%s = ANY{patients} OR {denied.sql})", (viewer.own, *denied.params))
    )


def _lifted(viewer: Viewer, whose: str) -> Fragment:
    """The condition that the clinician has broken the glass of a patient, and so sees what is hidden."""
    return Fragment(
        f"EXISTS (SELECT FROM care_relationship hg WHERE hg.practitioner = %s AND hg.pat {whose} AND hg.lifts"
        " AND hg.starts <= now() AND hg.ends > now())",
        (viewer.practitioner,),
    )
