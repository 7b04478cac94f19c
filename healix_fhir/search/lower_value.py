"""Nodes that look at a value of the resource, to SQL.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.alias import Phase, Row
from healix_fhir.search.compare import compare, compare_amount, compare_instant
from healix_fhir.search.fragments import NOTHING, all_of, any_of, strung
from healix_fhir.search.grams import grams
from healix_fhir.search.nodes import (
    Coded,
    Date,
    Id,
    LastUpdated,
    Missing,
    Near,
    Node,
    Pair,
    Quantity,
    Reference,
    Stored,
    String,
    StringMatch,
    Token,
    TokenText,
    Versions,
    Words,
)
from healix_fhir.search.positions import within
from healix_fhir.terminology.membership import Members

NO_END = "NULL::numeric"
LAST_CHARACTER = "\U0010ffff"


def lower_value(node: Node, row: Row) -> Fragment:
    """The condition of a node that looks at a value of the resource."""
    match node:
        case Token(key):
            return Fragment(f"{row.resource}.toks @> ARRAY[%s]::bigint[]", (key,))
        case Coded():
            return _coded(node, row)
        case TokenText(param, folded):
            known = _starts_with("k", param, folded)
            return Fragment(
                f"{row.resource}.toks && ARRAY(SELECT k.h FROM index_text k WHERE {known.sql})", known.params
            )
        case Date() if node.main:
            return _main_date(node, row)
        case String() | Date() | Reference() | Versions() | Quantity() | Pair() | Near() | Words():
            return among(row, [node])
        case LastUpdated(prefix, lo, hi):
            return compare_instant(prefix, f"{row.resource}.updated", (lo, hi))
        case Id(id_):
            return Fragment(f"{row.resource}.id = %s", (id_,))
        case Missing(number):
            beyond = bytes(number // 8 + 1)  # a mark beyond the end of the stored ones
            return Fragment(f"get_bit({row.resource}.present || %s::bytea, %s) = 0", (beyond, number))
        case _:
            raise TypeError(node)


def stored_codes(node: Coded) -> Fragment:
    """The codes that are members and stand anywhere, as rows of `index_code`."""
    assert isinstance(node.members, Members)  # looked up before anything is planned
    select = "SELECT k.key, k.h, k.sys FROM index_code k WHERE k.param = %s AND "
    rows = [Fragment(select + one.sql, (node.param, *one.params)) for one in node.members.of_rows("k")]
    return strung(" UNION ", rows or [Fragment(f"{select}FALSE", (node.param,))])


def _coded(node: Coded, row: Row) -> Fragment:
    """One of the resource's hashes is that of a member.

    Of a hot parameter each one is looked up in a hash table of the list, which may be long: to compare arrays takes
    the product of their lengths for each row. IS TRUE keeps PostgreSQL from reading the list anew for every row. Of
    other parameters no index but that of the whole array finds resources.
    """
    key = "~k.key" if node.inside else "k.key"
    rows = stored_codes(node) if not node.codes else Fragment(f"SELECT c.key FROM {node.codes} c")
    if node.codes and node.hot:
        found = f"(h IN (SELECT k.key FROM {node.codes} k)) IS TRUE"
        return Fragment(f"EXISTS (SELECT FROM unnest({row.resource}.toks) h WHERE {found})")
    return Fragment(f"{row.resource}.toks && ARRAY(SELECT {key} FROM ({rows.sql}) k)", rows.params)


def among(row: Row, nodes: Sequence[Node]) -> Fragment:
    """The resource is among those for which the narrow table of `nodes` (all of one kind) has a matching row."""
    condition = any_of(stored_condition(node, "x") for node in nodes)
    if condition == NOTHING:
        return NOTHING
    table = stored_table(nodes[0])
    assert table is not None
    if row.each:
        found = f"(SELECT TRUE FROM {table.value} x WHERE x.pk = {row.keys}.pk AND {condition.sql} LIMIT 1)"
    else:
        found = f"{row.keys}.pk IN (SELECT x.pk FROM {table.value} x WHERE {condition.sql})"
    return Fragment(found, condition.params)


def stored_table(node: Node) -> Stored | None:
    """The narrow table that holds the values of a node's parameter; None when they stand elsewhere."""
    match node:
        case String():
            return Stored.STRING
        case Date(main=False):
            return Stored.DATE
        case Quantity() | Pair():
            return Stored.QUANTITY
        case Near():
            return Stored.POSITION
        case Reference() | Versions():
            return Stored.REFERENCE
        case Words():
            return Stored.WORDS
        case _:
            return None


def stored_condition(node: Node, alias: str) -> Fragment:
    """The condition on one row of the narrow table of `node`."""
    match node:
        case String():
            return _string(node, alias)
        case Date(param, prefix, lo, hi):
            compared = compare(prefix, f"{alias}.lo", f"{alias}.hi", (lo, hi))
            return Fragment(f"{alias}.param = %s AND {compared.sql}", (param, *compared.params))
        case Quantity():
            return _quantity(node, alias)
        case Pair(h, first, second):
            return all_of(
                [
                    Fragment(f"{alias}.h = %s", (h,)),
                    compare_amount(first[0], f"{alias}.lo", NO_END, first[1:]),
                    compare_amount(second[0], f"{alias}.hi", NO_END, second[1:]),
                ]
            )
        case Reference(param, None, target):
            return Fragment(
                f"{alias}.param = %s AND {alias}.target = %s AND {alias}.target_type IS NULL", (param, target)
            )
        case Reference(param, target_type, target):
            return Fragment(
                f"{alias}.param = %s AND {alias}.target = %s AND {alias}.target_type = %s", (param, target, target_type)
            )
        case Near(param, circle):
            found = within(circle, alias)
            return Fragment(f"{alias}.param = %s AND {found.sql}", (param, *found.params))
        case Words(corpus, None):
            return Fragment(f"{alias}.{corpus.value} IS NOT NULL")
        case Words(corpus, query):
            return Fragment(f"{alias}.{corpus.value} @@ %s::tsquery", (query,))
        case Versions(param, url, version):
            exact = f"{url}|{version}"
            return Fragment(
                f"{alias}.param = %s AND {alias}.target_type IS NULL"
                f" AND ({alias}.target = %s OR ({alias}.target >= %s AND {alias}.target < %s))",
                (param, exact, f"{exact}.", f"{exact}/"),  # `/` follows `.`
            )
        case _:
            return NOTHING


def _string(node: String, alias: str) -> Fragment:
    if node.match in (StringMatch.CONTAINS, StringMatch.SUFFIX):
        return _part(node, alias)
    if node.match is StringMatch.WHOLE:
        return Fragment(f"{alias}.param = %s AND {alias}.folded = %s", (node.param, node.folded))
    if node.match is StringMatch.EXACT:
        return Fragment(
            f"{alias}.param = %s AND {alias}.folded = %s AND {alias}.exact = %s", (node.param, node.folded, node.text)
        )
    return _starts_with(alias, node.param, node.folded)


def _part(node: String, alias: str) -> Fragment:
    """A part of a string: all of its letters by threes are in the index, and they stand together."""
    if node.match is StringMatch.CONTAINS:
        part = Fragment(f"strpos({alias}.folded, %s) > 0", (node.folded,))
    else:
        part = Fragment(f"right({alias}.folded, %s) = %s", (len(node.folded), node.folded))
    conditions = [Fragment(f"{alias}.param = %s", (node.param,)), part]
    threes = grams(node.param, node.folded)
    return all_of([Fragment(f"{alias}.grams @> %s::int[]", (threes,)), *conditions] if threes else conditions)


def _starts_with(alias: str, param: int, folded: str) -> Fragment:
    return Fragment(
        f"{alias}.param = %s AND {alias}.folded >= %s AND {alias}.folded < %s",
        (param, folded, folded + LAST_CHARACTER),
    )


def _quantity(node: Quantity, alias: str) -> Fragment:
    lo, hi = (f"{alias}.lo", f"{alias}.hi") if node.unit is None else (f"{alias}.base_lo", f"{alias}.base_hi")
    conditions = [Fragment(f"{alias}.h = %s", (node.h,)), compare_amount(node.prefix, lo, hi, (node.lo, node.hi))]
    if node.unit is not None:
        conditions.append(Fragment(f"{alias}.unit = %s", (node.unit,)))
    if node.name is not None:
        conditions.append(Fragment(f"({alias}.code = %s OR {alias}.label = %s)", (node.name, node.name)))
    if not node.any_system:
        of_system = Fragment(f"{alias}.sys = %s", (node.system,)) if node.system else Fragment(f"{alias}.sys IS NULL")
        conditions.append(of_system)
    return all_of(conditions)


def _main_date(node: Date, row: Row) -> Fragment:
    """The main clinical date over d and d_hi; d is null for none and an open start, d_hi for none and an open end."""
    d, d_hi = f"{row.keys}.d", row.d_hi
    asked = (node.lo, node.hi)
    dated = compare(node.prefix, d, f"coalesce({d_hi}, 'infinity')", asked)
    started = compare(node.prefix, "'-infinity'::timestamptz", d_hi, asked)
    undated = Fragment(f"{d_hi} IS NOT NULL AND {started.sql}", started.params)
    if row.phase is Phase.DATED:
        return dated
    if row.phase is Phase.UNDATED:
        return undated
    return any_of(
        [
            Fragment(f"({d} IS NOT NULL AND {dated.sql})", dated.params),
            Fragment(f"({d} IS NULL AND {undated.sql})", undated.params),
        ]
    )
