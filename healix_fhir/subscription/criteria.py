"""Criteria as conditions on one version of a resource, and the keys by which they are found.

A subscription is kept under keys, one of which every resource that meets its criteria has: its id, a reference or a
token that they ask for, else just its type. So a change is tried against those subscriptions only that may want it,
however many there are. Only what the version itself says counts (search/holds); other criteria are searched for.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.kernel.hashing import key64
from healix_fhir.model.custom import derived
from healix_fhir.search.holds import is_known
from healix_fhir.search.nodes import Id, Node, Or, Reference, Token
from healix_fhir.search.query import parse
from healix_fhir.store.index import IndexRows

FILTERS = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"})
"""Parameters with an underscore that say which resources match; the others say how a page looks."""
COARSE = 3


@derived
def nodes(type_name: str, query: str, base: str) -> tuple[Node, ...]:
    """The conditions of criteria, all of which must hold. Raises Invalid or Unsupported, never ignores a part."""
    params = parse_qsl(query, keep_blank_values=True, separator="&")
    for name, _ in params:
        if name.startswith("_") and name.partition(":")[0] not in FILTERS:
            raise unsupported(f"{name[:100]} is not supported in criteria")
    try:
        return parse(type_name, params, strict=True, base=base).where
    except HealixError as error:
        raise invalid(f"the criteria cannot be used: {error.message}") from error


def is_told(type_name: str, query: str, base: str) -> bool:
    """Whether a version by itself tells whether it meets the criteria."""
    return all(map(is_known, nodes(type_name, query, base)))


def check_known(type_name: str, query: str, base: str, what: str) -> None:
    """Refuse (Unsupported) criteria that need more than the version itself."""
    if not is_told(type_name, query, base):
        raise unsupported(
            f"{what}: '{query[:100]}' asks for more than the resource itself says, which is not supported"
        )


def keys(type_name: str, query: str, base: str) -> frozenset[int]:
    """Keys of which every resource that meets the criteria has one."""
    each = [
        (rank, found)
        for node in nodes(type_name, query, base)
        if (rank := _rank(node)) and (found := _keys(type_name, node))
    ]
    return frozenset(min(each, key=lambda one: one[0])[1]) if each else frozenset({key64(type_name)})


def is_narrow(type_name: str, query: str, base: str) -> bool:
    """Whether criteria are of some resources, or of what refers to something, and not of all of a kind."""
    return any(0 < _rank(node) < COARSE for node in nodes(type_name, query, base))


def _rank(node: Node) -> int:
    """How well a condition tells resources apart, 1 best; 0 where it has no keys."""
    match node:
        case Id():
            return 1
        case Reference():
            return 2
        case Token():
            return COARSE
        case Or(several) if several:
            ranks = [_rank(one) for one in several]
            return max(ranks) if all(ranks) else 0
        case _:
            return 0


def _keys(type_name: str, node: Node) -> list[int]:
    match node:
        case Id(id_):
            return [_of_id(type_name, id_)]
        case Reference(param, target_type, target):
            return [_of_reference(type_name, param, target_type, target)]
        case Token(key):
            return [key64(f"{type_name}#{key}")]
        case Or(several):
            return [key for one in several for key in _keys(type_name, one)]
        case _:
            return []


def keys_of(type_name: str, id_: str, rows: IndexRows) -> Iterator[int]:
    """The keys that a version of a resource has."""
    yield key64(type_name)
    yield _of_id(type_name, id_)
    for tok in rows.toks:
        yield key64(f"{type_name}#{tok}")
    for param, target_type, target in rows.references:
        yield _of_reference(type_name, param, target_type, target)


def _of_id(type_name: str, id_: str) -> int:
    return key64(f"{type_name}/{id_}")


def _of_reference(type_name: str, param: int, target_type: int | None, target: str) -> int:
    return key64(f"{type_name}>{param}>{target_type}>{target}")


def names(query: str) -> Sequence[str]:
    """The search parameters that criteria name, without modifiers."""
    return [name.partition(":")[0] for name, _ in parse_qsl(query, keep_blank_values=True, separator="&")]
