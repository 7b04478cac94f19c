"""Where the rows of a search come from: the tables it reads first, with the condition that an index of them answers.

Every source gives `pk`, `pat` and `d` under the alias `t`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.fragments import all_of, of_types
from healix_fhir.search.lower_value import stored_condition
from healix_fhir.search.nodes import Coded, Node, Or, Reference, Token
from healix_fhir.search.order import Table

ARMS = 8
"""Up to so many alternatives are read as arms of their own, each in order and limited; more of them in one arm."""


@dataclass(frozen=True, slots=True)
class Source:
    """Tables with a condition on them. `whole` tells that `t` is the resource itself.

    `repeats`: it may give one resource twice. `spans`: it has d_hi beside d. `types`: the condition is about one type,
    `y.type`, and is to be asked for each of these; likewise `each`, a list whose rows the condition
    has as `y`. `first`: the first sort key, where the source knows it by itself.
    `contained`: `t` is a contained resource.
    """

    tables: str
    condition: Fragment
    whole: bool
    repeats: bool = False
    spans: bool = True
    types: tuple[int, ...] = ()
    first: str = ""
    contained: bool = False
    each: str = ""


def alternatives(node: Node) -> Sequence[Node]:
    """The nodes of which one must hold."""
    return node.nodes if isinstance(node, Or) else (node,)


def resource_source(types: tuple[int, ...]) -> Source:
    """All resources of the types."""
    if len(types) == 1:
        return Source("resource t", Fragment("t.type = %s AND NOT t.deleted", types), whole=True)
    return Source("resource t", Fragment("t.type = y.type AND NOT t.deleted"), whole=True, types=types)


def by_key(alias: str, key: str) -> str:
    """The resource with the key `key`, to be joined laterally: it is looked up, however many there are.

    PostgreSQL would read a type whole for a list of a thousand where that has no more than some ten thousand resources:
    fewer pages, and several times the time.
    """
    return f"LATERAL (SELECT * FROM resource x WHERE x.pk = {key} LIMIT 1) {alias}"


def listed_source(name: str, types: tuple[int, ...]) -> Source:
    """The resources whose keys a list (search/drive) named `name` holds."""
    return Source(
        f"(SELECT DISTINCT c.pk FROM {name} c) g CROSS JOIN {by_key('t', 'g.pk')}",
        all_of([of_types("t", types), Fragment("NOT t.deleted")]),
        whole=True,
    )


def walk_source(type_id: int, table: Table, *, descending: bool) -> Source:
    """The resources of a type that have a value in `table`, in the order of their first (or last) one."""
    sign = ">" if descending else "<"
    beaten = (
        f"SELECT FROM {table.name} z WHERE z.pk = s.pk AND z.{table.key} = s.{table.key}"
        f" AND (z.{table.column}, z.ctid) {sign} (s.{table.column}, s.ctid)"
    )
    own = Fragment(f"t.type = %s AND NOT t.deleted AND NOT EXISTS ({beaten})", (type_id,))
    condition = all_of([table.of("s"), own])
    return Source(f"{table.name} s JOIN resource t ON t.pk = s.pk", condition, whole=True, first=f"s.{table.column}")


def without_source(type_id: int, table: Table) -> Source:
    """The resources of a type that have no value in `table`."""
    of = table.of("z")
    none = Fragment(f"NOT EXISTS (SELECT FROM {table.name} z WHERE z.pk = t.pk AND {of.sql})", of.params)
    source = resource_source((type_id,))
    return Source(source.tables, all_of([source.condition, none]), whole=True)


def token_sources(node: Node) -> tuple[Source, ...]:
    """The rows of hot tokens: none if `node` is anything else, or too many alternatives to be read one by one."""
    tokens = [token for token in alternatives(node) if isinstance(token, Token | Coded) and token.hot]
    if len(tokens) != len(alternatives(node)) or not 0 < len(tokens) <= ARMS:
        return ()
    if any(isinstance(token, Coded) and not token.codes for token in tokens):
        return ()
    return tuple(map(_token_source, tokens))


def _token_source(token: Token | Coded) -> Source:
    if isinstance(token, Coded):
        condition = Fragment("t.h = y.h AND t.sys = y.sys")
        return Source("index_token t", condition, whole=False, repeats=True, each=token.codes)
    return Source("index_token t", token_condition(token, "t"), whole=False, repeats=token.any_system)


def reference_sources(node: Node) -> tuple[Source, ...]:
    """The rows of references: none if `node` is anything else, or too many alternatives to be read one by one."""
    references = [reference for reference in alternatives(node) if isinstance(reference, Reference)]
    if len(references) != len(alternatives(node)) or not 0 < len(references) <= ARMS:
        return ()
    return tuple(
        Source("index_reference t", stored_condition(reference, "t"), whole=False, repeats=True, spans=False)
        for reference in references
    )


def token_condition(token: Token, alias: str) -> Fragment:
    """The condition on one row of `index_token`."""
    if token.any_system:
        return Fragment(f"{alias}.h = %s", (token.h,))
    if token.system is None:
        return Fragment(f"{alias}.h = %s AND {alias}.sys IS NULL", (token.h,))
    return Fragment(f"{alias}.h = %s AND {alias}.sys = %s", (token.h, token.system))
