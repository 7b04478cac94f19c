"""A limit of its own for searches that read every string of a parameter.

What a string contains is found by threes of letters (search/grams). One or two letters are in none of them: all strings
are read until a page is full, 0.2 s for a million of which none matches. That is allowed, for a while: whoever asks so
is told soon to ask for more, and holds no worker and no connection until the time for all searches is over.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#string (contains)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psycopg.errors import QueryCanceled

from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.custom import is_custom, type_of
from healix_fhir.model.definitions import PARAMETERS_PER_TYPE, TYPE_NAME, search_parameters
from healix_fhir.search.grams import SIZE
from healix_fhir.search.nodes import And, Containing, Linked, Node, Not, Or, Referring, String, StringMatch

MILLISECONDS = 2000
_LIMIT = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, TRUE)"


def short_parts(nodes: Iterable[Node]) -> Iterator[String]:
    """The conditions that are answered by reading every string of their parameter."""
    for node in nodes:
        match node:
            case String(match=StringMatch.CONTAINS | StringMatch.SUFFIX, folded=folded) if len(folded) < SIZE:
                yield node
            case And(inners) | Or(inners) | Containing(nodes=inners):
                yield from short_parts(inners)
            case Not(inner) | Linked(node=inner) | Referring(node=inner):
                yield from short_parts((inner,))


def limited(statement: Statement, where: Iterable[Node]) -> Work[list[Row]]:
    """The rows of the statement of a search; Invalid where it reads strings for too long."""
    short = next(short_parts(where), None)
    if short is None:
        return (yield statement)
    ((before, _),) = yield Statement(_LIMIT, (str(MILLISECONDS),))
    try:
        rows = yield statement
    except QueryCanceled as error:
        raise too_short(short) from error
    yield Statement(_LIMIT, (before,))
    return rows


def too_short(node: String) -> HealixError:
    """The refusal of a part of a string that is too short to be found soon."""
    number = abs(node.param)  # of a contained resource it is negative
    type_id = type_of(number) if is_custom(number) else number // PARAMETERS_PER_TYPE
    known = search_parameters(TYPE_NAME[type_id])
    code = next(code for code, parameter in known.items() if parameter.id == number)
    return invalid(
        f"{code}: '{node.text[:10]}' is in too few of too many strings: give {SIZE} letters or more",
        code="too-costly",
    )
