"""`_explain=true`: how a search would be answered, instead of its answer. For those who see all of what it searches.

The conditions as they were read, the lists and arms of the plan, the statement with its values, and what PostgreSQL
makes of it. Nothing is searched. Statistics stand behind the plan, so it is for callers with a system scope only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Issue, forbidden
from healix_fhir.model.definitions import TYPES
from healix_fhir.search.contained import Contained
from healix_fhir.search.estimate import ends
from healix_fhir.search.page import Signer
from healix_fhir.search.plan import Arm, Plan
from healix_fhir.search.query import Query
from healix_fhir.search.run import reading_of, require, unseal
from healix_fhir.search.statement import page_statement
from healix_fhir.search.terms import understood
from smart_auth.access import AccessContext
from smart_auth.scope import Context, Permission, contexts

INDENT = "  "


def explain(access: AccessContext, query: Query, *, base: str, signer: Signer) -> Work[tuple[Issue, ...]]:
    """The explanation, one issue for each part of it. Raises Forbidden for callers who see only a part."""
    require(access, query.needed)
    searched = query.types if query.contained is Contained.FALSE else TYPES
    looked_at = (*searched, *ends(query.where))
    if not all(Context.SYSTEM in contexts(access.scopes, name, Permission.SEARCH) for name in looked_at):
        raise forbidden("_explain needs a system scope for everything that is searched, also through chains")
    query = replace(query, where=(yield from understood(access, query.where, base)))
    reading = reading_of(access, query, unseal(query, base, signer))
    statement = page_statement(reading)
    rows = yield Statement(f"EXPLAIN {statement.sql}", statement.params, prepare=False)
    parts = {
        "conditions": [line for node in query.where for line in tree(node)],
        "plan": list(_plan(reading.plan)),
        "statement": [statement.sql],
        "values": [repr(value) for value in statement.params],
        "PostgreSQL": [str(row[0]) for row in rows],
    }
    return tuple(
        Issue("informational", "\n".join([f"{name}:", *lines]), severity="information") for name, lines in parts.items()
    )


def tree(node: Any, depth: int = 0, label: str = "") -> Iterator[str]:
    """The lines of a tree of nodes: each with its plain values, and what it holds below."""
    plain, below = [], []
    for field in fields(node):
        value = getattr(node, field.name)
        held = value if isinstance(value, tuple) else (value,)
        if held and all(is_dataclass(one) for one in held):
            below += [(field.name, one) for one in held]
        else:
            plain.append(f"{field.name}={value.value if isinstance(value, Enum) else value!r}")
    values = f"({', '.join(plain)})" if plain else ""
    yield f"{INDENT * depth}{label}{type(node).__name__}{values}"
    for name, one in below:
        yield from tree(one, depth + 1, "" if name in ("node", "nodes") else f"{name}: ")


def _plan(plan: Plan) -> Iterator[str]:
    for name, rows in plan.lists.members:
        yield f"{name}: {_bound(rows)}"
    for number, arm in enumerate(plan.arms, start=1):
        where = f"{_bound(arm.source.condition)} AND {_bound(arm.pin)}"
        yield f"arm {number}: {_when(arm)}from {arm.source.tables} where {where}"
        for node in arm.filters:
            yield from tree(node, 2)


def _when(arm: Arm) -> str:
    return {None: "", True: "if the lists are whole, ", False: "if a list was cut off, "}[arm.whole]


def _bound(fragment: Fragment) -> str:
    """SQL with its values put in for reading; it is never run."""
    pieces = fragment.sql.split("%s")
    values = [repr(value) for value in fragment.params]
    return "".join(piece + value for piece, value in zip(pieces, [*values, ""], strict=True))
