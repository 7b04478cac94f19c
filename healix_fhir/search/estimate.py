"""The planner's estimate of how many matches a search has, for callers who see all of the types.

Statistics are made of everything that is stored; for a caller who sees only a part they would tell of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.search.fragments import NOTHING
from healix_fhir.search.nodes import And, Containing, Linked, Node, Not, Or, Referring
from healix_fhir.search.statement import ROUGHLY, Reading, matches


def ends(nodes: Sequence[Node]) -> Iterator[str]:
    """The types that conditions look at through references."""
    for node in nodes:
        match node:
            case Linked(target=visible, node=inner) | Referring(source=visible, node=inner):
                yield visible.type_name
                yield from ends((inner,))
            case And(inners) | Or(inners) | Containing(nodes=inners):
                yield from ends(inners)
            case Not(inner):
                yield from ends((inner,))


def estimate(reading: Reading) -> Work[int]:
    """About how many matches there are, when there are more than `ROUGHLY`; nothing is counted."""
    found = matches(reading)
    if found == NOTHING:
        return 0
    lists = ", ".join(f"{name} AS MATERIALIZED ({rows.sql})" for name, rows in reading.plan.lists.members)
    params = [param for _, rows in reading.plan.lists.members for param in rows.params]
    rows = yield Statement(
        f"EXPLAIN (FORMAT JSON) {f'WITH {lists} ' if lists else ''}{found.sql}", (*params, *found.params), prepare=False
    )
    return max(int(rows[0][0][0]["Plan"]["Plan Rows"]), ROUGHLY + 1)
