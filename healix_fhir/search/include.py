"""`_include`: the resources that the matches of a page refer to, as far as the caller may see them.

The access predicate of each included type stands in the statement, before its limit: an include shows nothing that a
read or a search would not.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment, Statement
from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.alias import Row
from healix_fhir.search.fragments import NOTHING, all_of, any_of
from healix_fhir.search.lower import lower
from healix_fhir.search.nodes import Visible
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

LIMIT = 1000
PERMISSIONS = (Permission.READ, Permission.SEARCH)


@dataclass(frozen=True, slots=True)
class Include:
    """What the reference parameter `param` refers to, of the types `targets`."""

    param: int
    targets: tuple[str, ...]


def read_include(value: str, type_name: str) -> Include:
    """The include of `Type:param` or `Type:param:Target`, for a search of `type_name`."""
    source, _, rest = value.partition(":")
    code, _, target = rest.partition(":")
    if value == "*" or code == "*":
        raise unsupported("_include: '*' is not supported; name the parameters")
    if source != type_name:
        raise invalid(f"_include: '{value[:100]}' does not start from {type_name}, the type searched for", code="value")
    parameter = search_parameters(type_name).get(code)
    if parameter is None or parameter.type != "reference":
        raise invalid(f"_include: {type_name} has no reference parameter '{code[:100]}'", code="value")
    if target and target not in TYPE_ID:
        raise invalid(f"_include: '{target[:100]}' is not a resource type", code="value")
    targets = (target,) if target else tuple(t for t in parameter.targets if t in TYPE_ID) or tuple(TYPE_ID)
    return Include(parameter.id, targets)


def include_statement(access: AccessContext, includes: Sequence[Include], page: Sequence[int]) -> Statement | None:
    """Rows of (type, id, version, updated, body): what the resources `page` refer to and is not among them.

    One more than the limit is read, to tell whether any are left out. None when the caller may see none of them.
    """
    visible = _visible(access, {target for include in includes for target in include.targets})
    if visible == NOTHING:
        return None
    referring = any_of(_referring(include) for include in includes)
    return Statement(
        f"""SELECT r.type, r.id, r.version, r.updated, r.body FROM resource r
WHERE (r.type, r.id) IN (SELECT x.target_type, x.target FROM index_reference x WHERE x.pk = ANY(%s) AND {referring.sql})
  AND NOT r.deleted AND r.pk <> ALL(%s) AND {visible.sql}
ORDER BY r.pk LIMIT %s""",
        (list(page), *referring.params, list(page), *visible.params, LIMIT + 1),
        prepare=False,
    )


def _referring(include: Include) -> Fragment:
    return Fragment(
        "(x.param = %s AND x.target_type = ANY(%s))", (include.param, [TYPE_ID[target] for target in include.targets])
    )


def _visible(access: AccessContext, types: Iterable[str]) -> Fragment:
    """The access predicate of every type, written once for all types for which it is the same."""
    row = Row("r", "r", spans=True)
    by_type = [(TYPE_ID[name], lower(Visible(name, PERMISSIONS), row, access)) for name in sorted(types)]
    return any_of(
        all_of(
            [Fragment("r.type = ANY(%s)", ([type_id for type_id, other in by_type if other == predicate],)), predicate]
        )
        for predicate in dict.fromkeys(predicate for _, predicate in by_type)
        if predicate != NOTHING
    )
