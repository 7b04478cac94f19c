"""Whether nodes hold of a resource by its index rows alone, without a database: what `search/lower` says in SQL.

For content that is not in the index: a version about to be written, or one of the past. Only nodes of tokens, strings,
dates, references and presence are known, and nothing that depends on when it is asked.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from healix_fhir.search.nodes import (
    And,
    Date,
    Id,
    Missing,
    Node,
    Not,
    Or,
    Prefix,
    Reference,
    String,
    StringMatch,
    Token,
    TokenText,
)
from healix_fhir.store.index import IndexRows

Rule: TypeAlias = Callable[[datetime, datetime, datetime, datetime], bool]

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""What stands for open ends: before and after all other instants."""

RULES: Mapping[Prefix, Rule] = {
    # over the resource's interval [lo, hi) and the one asked for [a, b)
    Prefix.EQ: lambda lo, hi, a, b: a <= lo < b and hi <= b,
    Prefix.NE: lambda lo, hi, a, b: lo < a or hi > b,
    Prefix.GT: lambda _, hi, __, b: hi > b,
    Prefix.GE: lambda lo, hi, a, b: hi > b or lo >= a,
    Prefix.LT: lambda lo, _, a, __: lo < a,
    Prefix.LE: lambda lo, hi, a, b: lo < b and (lo < a or hi <= b),
    Prefix.SA: lambda lo, _, __, b: lo >= b,
    Prefix.EB: lambda lo, hi, a, _: lo < a and hi <= a,
}
"""Every prefix but `ap`, which depends on the time. Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix"""

STRINGS: Mapping[StringMatch, Callable[[str, str], bool]] = {
    StringMatch.PREFIX: str.startswith,
    StringMatch.CONTAINS: str.__contains__,
    StringMatch.EXACT: str.__eq__,
    StringMatch.WHOLE: str.__eq__,
    StringMatch.SUFFIX: str.endswith,
}


def is_known(node: Node) -> bool:
    """Whether `holds` can tell."""
    match node:
        case And(nodes) | Or(nodes):
            return all(map(is_known, nodes))
        case Not(inner):
            return is_known(inner)
        case Date(prefix=prefix):
            return prefix in RULES
        case _:
            return isinstance(node, Token | TokenText | String | Reference | Id | Missing)


def holds(node: Node, rows: IndexRows, id_: str) -> bool:
    """Whether a node that `is_known` holds of the resource with these index rows and this logical id."""
    match node:
        case And(nodes):
            return all(holds(inner, rows, id_) for inner in nodes)
        case Or(nodes):
            return any(holds(inner, rows, id_) for inner in nodes)
        case Not(inner):
            return not holds(inner, rows, id_)
        case Token(key):
            return key in rows.toks
        case TokenText(param, folded):
            return any(one == param and text.startswith(folded) for one, text, _ in rows.texts)
        case String():
            return _string(node, rows)
        case Date():
            return _date(node, rows)
        case Reference(param, target_type, target):
            return (param, target_type, target) in rows.references
        case Id(wanted):
            return wanted == id_
        case Missing(number):
            byte, bit = divmod(number, 8)
            return byte >= len(rows.present) or not rows.present[byte] >> bit & 1
        case _:
            raise TypeError(node)


def _string(node: String, rows: IndexRows) -> bool:
    matches = STRINGS[node.match]
    return any(
        param == node.param
        and matches(folded, node.folded)
        and (node.match is not StringMatch.EXACT or exact == node.text)
        for param, folded, exact, _ in rows.strings
    )


def _date(node: Date, rows: IndexRows) -> bool:
    if node.main:
        intervals = [(rows.d, rows.d_hi)] if rows.d is not None or rows.d_hi is not None else []
    else:
        intervals = [(lo, hi) for param, lo, hi in rows.dates if param == node.param]
    asked = node.lo or FIRST, node.hi or LAST
    return any(RULES[node.prefix](lo or FIRST, hi or LAST, *asked) for lo, hi in intervals)
