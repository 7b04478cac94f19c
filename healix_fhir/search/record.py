"""What belongs to a patient or an encounter: all in its compartment, and what that refers to.

It is read in order: the patient or encounter itself, what is in the compartment, what is referred to from there; each
by surrogate key, and only as far as a page goes. What is referred to is looked up once the rest does not fill a page.
Nothing is shown of other patients' records, though something refers to it.

Spec: FHIR R4, hl7.org/fhir/R4/patient-operation-everything.html, hl7.org/fhir/R4/encounter-operation-everything.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from healix_fhir.kernel.database import Fragment, Statement
from healix_fhir.model.definitions import TYPE_ID, compartment, search_parameters
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, of_types, union_all
from healix_fhir.search.included import any_visible, url_parameters
from healix_fhir.search.keyset import Place
from healix_fhir.search.links import same_url
from healix_fhir.search.lower import of_patient
from smart_auth.access import AccessContext

ITSELF, MEMBER, REFERRED = range(3)
"""The phases of the order."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of a patient or encounter: what has its main clinical date from `start` until `end`, or no such date.

    `since` is when it was last changed at the earliest, `types` are numbers of types; None for all. `limit` rows are
    read behind `after`, of what was there when `ceiling` was the highest surrogate key.
    """

    type: str
    id: str
    limit: int
    start: datetime | None = None
    end: datetime | None = None
    since: datetime | None = None
    types: tuple[int, ...] | None = None
    after: Place | None = None
    ceiling: int | None = None


def record_statement(access: AccessContext, wanted: Wanted) -> Statement:
    """Rows of (ceiling, phase, pk, type, id, version, updated, body) in order."""
    visible = any_visible(access)
    shown = all_of([visible, _asked(wanted)])
    members = union_all(
        Fragment(f"SELECT r.pk FROM resource r WHERE {one.sql}", one.params)
        for arm in _arms(wanted)
        if (one := all_of([arm, Fragment("NOT r.deleted"), _dates(wanted), visible])) != NOTHING
    )
    itself = all_of([Fragment("r.pk = (SELECT pk FROM subject)"), shown, _behind(wanted, ITSELF)])
    inside = all_of(
        [
            Fragment("r.pk IN (SELECT pk FROM member) AND r.pk <> (SELECT pk FROM subject)"),
            _asked(wanted),
            _behind(wanted, MEMBER),
        ]
    )
    referred = all_of([_of_nobody_else(wanted), shown, _behind(wanted, REFERRED)])
    return Statement(
        f"""WITH subject AS MATERIALIZED (
  SELECT r.pk, r.pat, r.type, r.id FROM resource r WHERE r.type = %s AND r.id = %s AND NOT r.deleted),
member AS MATERIALIZED ({members.sql}),
few AS MATERIALIZED (
  (SELECT {ITSELF} AS phase, r.pk FROM resource r WHERE {itself.sql})
  UNION ALL (SELECT {MEMBER}, r.pk FROM resource r WHERE {inside.sql} ORDER BY r.pk LIMIT %s)),
referred AS (
  SELECT DISTINCT {REFERRED}, r.pk FROM ({_references()}) f JOIN resource r ON r.pk = f.pk
  WHERE (SELECT count(*) FROM few) < %s AND r.pk NOT IN (SELECT pk FROM member)
    AND r.pk <> (SELECT pk FROM subject) AND NOT r.deleted AND {referred.sql}
  ORDER BY r.pk LIMIT %s),
page AS (SELECT phase, pk FROM few UNION ALL SELECT * FROM referred)
SELECT (SELECT last_value FROM resource_pk), p.phase, r.pk, r.type, r.id, r.version, r.updated, r.body
FROM page p JOIN resource r ON r.pk = p.pk ORDER BY p.phase, p.pk LIMIT %s""",
        (
            TYPE_ID[wanted.type],
            wanted.id,
            *members.params,
            *itself.params,
            *inside.params,
            wanted.limit,
            url_parameters(),
            wanted.limit,
            *referred.params,
            wanted.limit,
            wanted.limit,
        ),
        prepare=False,
    )


def _arms(wanted: Wanted) -> tuple[Fragment, ...]:
    """The conditions, one of which holds of each member."""
    if wanted.type == "Patient":
        return of_patient(wanted.id, "r")
    linked = Fragment(
        "r.pk IN (SELECT x.pk FROM index_reference x WHERE x.param = ANY(%s::int[]) AND x.target = %s"
        " AND x.target_type = %s)",
        (list(_links(wanted.type)), wanted.id, TYPE_ID[wanted.type]),
    )
    return (Fragment("r.pk = (SELECT pk FROM subject)"), linked)


@cache
def _links(owner: str) -> tuple[int, ...]:
    """The reference parameters that put a resource into the compartment of an `owner`."""
    return tuple(
        search_parameters(name)[code].id
        for name, codes in compartment(owner).items()
        for code in codes
        if code != "{def}"
    )


def _references() -> str:
    """The surrogate keys of all that the members refer to, by id and by canonical URL."""
    return f"""SELECT t.pk FROM member m JOIN index_reference x ON x.pk = m.pk
  JOIN resource t ON t.type = x.target_type AND t.id = x.target
  UNION ALL SELECT u.pk FROM {same_url("x", "u")} JOIN member m ON m.pk = x.pk
  WHERE u.param = ANY(%s::int[])"""


def _of_nobody_else(wanted: Wanted) -> Fragment:
    """The resource is of no patient, or of the one that an encounter is of."""
    if wanted.type == "Patient":
        return Fragment("r.pat IS NULL")
    return Fragment("(r.pat IS NULL OR r.pat = (SELECT pat FROM subject))")


def _dates(wanted: Wanted) -> Fragment:
    late = EVERYTHING if wanted.start is None else Fragment("(r.d IS NULL OR r.d_hi > %s)", (wanted.start,))
    early = EVERYTHING if wanted.end is None else Fragment("(r.d IS NULL OR r.d < %s)", (wanted.end,))
    return all_of([late, early])


def _asked(wanted: Wanted) -> Fragment:
    since = EVERYTHING if wanted.since is None else Fragment("r.updated >= %s", (wanted.since,))
    types = EVERYTHING if wanted.types is None else of_types("r", wanted.types)
    ceiling = EVERYTHING if wanted.ceiling is None else Fragment("r.pk <= %s", (wanted.ceiling,))
    return all_of([since, types, ceiling])


def _behind(wanted: Wanted, phase: int) -> Fragment:
    """The rows of a phase that come after the place to go on from."""
    after = wanted.after
    if after is None or after.phase < phase:
        return EVERYTHING
    return Fragment("r.pk > %s", (after.pk,)) if after.phase == phase else Fragment("FALSE")
