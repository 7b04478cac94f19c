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
from healix_fhir.model.custom import FIRST, is_custom, type_of
from healix_fhir.model.definitions import PARAMETERS_PER_TYPE, TYPE_ID, TYPE_NAME, TYPES
from healix_fhir.search.alias import Row
from healix_fhir.search.fragments import EVERYTHING, NOTHING, all_of, any_of, of_types, union_all
from healix_fhir.search.include import Include, custom_references
from healix_fhir.search.index_facts import url_parameter
from healix_fhir.search.links import same_url
from healix_fhir.search.lower import lower
from healix_fhir.search.result import Hit
from healix_fhir.search.visible import groups
from smart_auth.access import AccessContext
from smart_auth.care_list import NAME as CARE
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
LAST = 'NULL::smallint, NULL::text COLLATE "C"'
"""Of what no step begins nothing more is asked than its key."""


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

    One more than the limit is read, to tell whether any are left out. None when the caller may see none of it. It is
    prepared: each step is a probe of an index, whatever the values, and planning it anew took a fifth of its time.
    """
    access = _unasked(access).sweeping()
    if _visible(access) == NOTHING:
        return None
    last = not any(one.iterate for one in includes)
    arms = [arm for way in WAYS if (arm := _arm(access, includes, way, last=last)) is not None]
    if not arms:
        return None
    seen, care = union_all(arms), access.care_list
    list_ = Fragment("") if care is None else Fragment(f"{CARE} AS MATERIALIZED ({care.sql}), ", care.params)
    return Statement(
        f"""WITH RECURSIVE {list_.sql}reached (pk, type, id, matched) AS (
  SELECT {FOUND}, TRUE FROM resource r WHERE r.pk = ANY(%s)
  UNION SELECT n.*, FALSE FROM reached f CROSS JOIN LATERAL ({seen.sql}) n),
few AS MATERIALIZED (SELECT n.pk FROM reached n WHERE NOT n.matched AND n.pk <> ALL(%s) LIMIT %s)
SELECT r.type, r.id, r.version, r.updated, r.body FROM few JOIN resource r ON r.pk = few.pk ORDER BY r.pk""",
        (*list_.params, list(page), *seen.params, list(page), LIMIT + 1),
    )


def _arm(access: AccessContext, includes: Sequence[Include], way: Way, *, last: bool) -> Fragment | None:
    """What is visible one step along one way from the resource reached, `f`; None if no include goes that way.

    `last` tells that no step follows. What refers to `f` is then known by the reference alone.
    """
    taken = [one for one in includes if one.reverse is way.reverse and (one.by_url or not way.by_url)]
    bare = last and way.reverse and not way.by_url
    end = "f" if way.reverse else "r"
    followed = any_of(
        all_of(
            [
                _seen_from(access, one.params) if bare else _params(one.params),
                EVERYTHING if one.iterate else MATCHED,
                _targets(one, end),
            ]
        )
        for one in taken
    )
    if followed == NOTHING:
        return None
    if bare:
        condition = all_of([Fragment(way.condition), followed])
        return Fragment(f"SELECT x.pk, {LAST} FROM index_reference x WHERE {condition.sql}", condition.params)
    url = Fragment("u.param = ANY(%s)", (url_parameters(),)) if way.by_url else EVERYTHING
    condition = all_of([Fragment(way.condition), url, followed, _visible(access)])
    columns = f"r.pk, {LAST}" if last else FOUND
    return Fragment(f"SELECT {columns} FROM {way.tables} WHERE {condition.sql}", condition.params)


def _params(params: Sequence[int]) -> Fragment:
    """The reference `x` is of one of the parameters; of any, where none are named."""
    if not params:
        return Fragment("(x.param < %s OR x.param = ANY(%s::int[]))", (FIRST, list(custom_references())))
    if len(params) == 1:
        return Fragment("x.param = %s", tuple(params))
    return Fragment("x.param = ANY(%s::int[])", (list(params),))


@lru_cache(maxsize=1024)
def _seen_from(access: AccessContext, params: tuple[int, ...]) -> Fragment:
    """The reference `x` is of one of the parameters and of a visible resource: a parameter tells the type of that."""
    types = sorted({_type_of(one) for one in params})
    row = Row("x", "x", spans=False, each=True)
    return any_of(
        all_of([_params([one for one in params if _type_of(one) in group.types]), lower(group.one, row, access)])
        for group in groups([TYPE_NAME[one] for one in types], PERMISSIONS, access)
    )


def _type_of(parameter: int) -> int:
    return type_of(parameter) if is_custom(parameter) else parameter // PARAMETERS_PER_TYPE


def _targets(include: Include, alias: str) -> Fragment:
    return of_types(alias, [TYPE_ID[name] for name in include.targets]) if include.targets else EVERYTHING


def any_visible(access: AccessContext) -> Fragment:
    """The access predicate of the resource `r`, whatever type it is of."""
    return _visible(_unasked(access))


def _unasked(access: AccessContext) -> AccessContext:
    """The same for all requests of a token."""
    return structs.replace(access, origin=Origin(access.origin.client, access.origin.account))


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
def url_parameters() -> list[int]:
    """The parameters whose rows hold the canonical URLs of resources themselves."""
    return [parameter for name in TYPES if (parameter := url_parameter(name)) is not None]
