"""What a page of matches brings with it: one statement for all includes, however deep they go.

It walks from the matches along the references asked for, each resource once, so that loops of `:iterate` end. The
access predicate stands at every step, before the limit: an include shows nothing that a read or a search would not.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#include, #revinclude
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from msgspec import structs

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Issue
from healix_fhir.model.custom import FIRST
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, TYPES
from healix_fhir.search.alias import Row
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of, of_types, union_all
from healix_fhir.search.include import Include, custom_references
from healix_fhir.search.index_facts import url_parameter
from healix_fhir.search.links import same_url
from healix_fhir.search.lower import lower
from healix_fhir.search.result import Hit
from healix_fhir.search.visible import groups
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

LIMIT = 1000
MATCHED = Fragment("f.matched")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to walk: forward or back along a reference `x`, which names its target by id or by canonical URL `u`."""

    reverse: bool
    by_url: bool
    tables: str
    condition: str


WAYS = (
    Way(
        reverse=False,
        by_url=False,
        tables="index_reference x JOIN resource r ON r.type = x.target_type AND r.id = x.target",
        condition="x.pk = f.pk AND NOT r.deleted",
    ),
    Way(
        reverse=False,
        by_url=True,
        tables=f"{same_url('x', 'u')} JOIN resource r ON r.pk = u.pk",
        condition="x.pk = f.pk",
    ),
    Way(
        reverse=True,
        by_url=False,
        tables="index_reference x JOIN resource r ON r.pk = x.pk",
        condition="x.target = f.id AND x.target_type = f.type",
    ),
    Way(
        reverse=True,
        by_url=True,
        tables=f"{same_url('x', 'u')} JOIN resource r ON r.pk = x.pk",
        condition="u.pk = f.pk",
    ),
)
PERMISSIONS = (Permission.READ, Permission.SEARCH)
FOUND = "r.pk, r.type, r.id"
LAST = 'x.pk, NULL::smallint, NULL::text COLLATE "C"'
"""Of what nothing more is asked than its key: the reference alone has that."""


def included(access: AccessContext, includes: Sequence[Include], page: Sequence[int]) -> Work[tuple[list[Hit], bool]]:
    """What `includes` bring to the resources `page` (surrogate keys), and whether that is all of it."""
    statement = included_statement(access, includes, page)
    if statement is None:
        return [], True
    rows = yield statement
    hits = [
        Hit(TYPE_NAME[type_id], id_, version, updated, body, "include")
        for type_id, id_, version, updated, body in rows[:LIMIT]
    ]
    return hits, len(rows) <= LIMIT


def left_out() -> Issue:
    """What is said where a page does not bring all that it should."""
    return Issue(
        "too-costly",
        f"the page includes more than {LIMIT} resources; the others were left out. Ask for a smaller _count",
        severity="warning",
    )


def included_statement(access: AccessContext, includes: Sequence[Include], page: Sequence[int]) -> Statement | None:
    """Rows of (type, id, version, updated, body): what is reached from `page` and is not among it.

    One more than the limit is read, to tell whether any are left out. None when the caller may see none of it.
    """
    visible = _visible(structs.replace(access, origin=Origin(access.origin.client, access.origin.account)))
    if visible == NOTHING:
        return None
    ends = visible == EVERYTHING and not any(one.iterate for one in includes)
    arms = [arm for way in WAYS if (arm := _arm(includes, way, ends=ends)) is not None]
    seen = union_all([all_of([arm, visible]) for arm in arms])
    return Statement(
        f"""WITH RECURSIVE reached (pk, type, id, matched) AS (
  SELECT {FOUND}, TRUE FROM resource r WHERE r.pk = ANY(%s)
  UNION SELECT n.*, FALSE FROM reached f CROSS JOIN LATERAL ({seen.sql}) n),
few AS MATERIALIZED (SELECT n.pk FROM reached n WHERE NOT n.matched AND n.pk <> ALL(%s) LIMIT %s)
SELECT r.type, r.id, r.version, r.updated, r.body FROM few JOIN resource r ON r.pk = few.pk ORDER BY r.pk""",
        (list(page), *seen.params, list(page), LIMIT + 1),
        prepare=False,
    )


def _arm(includes: Sequence[Include], way: Way, *, ends: bool) -> Fragment | None:
    """What is one step along one way from the resource reached, `f`; None if no include goes that way.

    `ends` tells that no step follows and that the caller sees everything.
    """
    end = "f" if way.reverse else "r"
    followed = any_of(
        all_of([_params(one), EVERYTHING if one.iterate else MATCHED, _targets(one, end)])
        for one in includes
        if one.reverse is way.reverse and (one.by_url or not way.by_url)
    )
    if followed == NOTHING:
        return None
    url = Fragment("u.param = ANY(%s)", (_url_parameters(),)) if way.by_url else EVERYTHING
    condition = all_of([Fragment(way.condition), url, followed])
    if ends and way.reverse and not way.by_url:
        return Fragment(f"SELECT {LAST} FROM index_reference x WHERE {condition.sql}", condition.params)
    return Fragment(f"SELECT {FOUND} FROM {way.tables} WHERE {condition.sql}", condition.params)


def _params(include: Include) -> Fragment:
    if not include.params:
        return Fragment("(x.param < %s OR x.param = ANY(%s::int[]))", (FIRST, list(custom_references())))
    if len(include.params) == 1:
        return Fragment("x.param = %s", include.params)
    return Fragment("x.param = ANY(%s::int[])", (list(include.params),))


def _targets(include: Include, alias: str) -> Fragment:
    return of_types(alias, [TYPE_ID[name] for name in include.targets]) if include.targets else EVERYTHING


@lru_cache(maxsize=1024)
def _visible(access: AccessContext) -> Fragment:
    """The access predicate of the resource `r`, whatever type it is of: the same for all requests of a token."""
    row = Row("r", "r", spans=True, each=True)
    return any_of(
        all_of(
            [
                EVERYTHING if len(group.types) == len(TYPES) else of_types("r", group.types),
                lower(group.one, row, access),
            ]
        )
        for group in groups(TYPES, PERMISSIONS, access)
    )


@cache
def _url_parameters() -> list[int]:
    return [parameter for name in TYPES if (parameter := url_parameter(name)) is not None]
