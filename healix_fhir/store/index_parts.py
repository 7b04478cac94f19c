"""The index rows of new versions: a part of the write statement for each table.

A part is left out where there are no rows for it, since an empty one is not free: PostgreSQL sets up every insertion of
a statement before it runs. Rows name their resource by its position in the array of keys, and take its compartment
and date from arrays without nulls: each look is a step, not a search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from healix_fhir.kernel.arrays import Array, float8, int2, int4, int8, numeric, text, timestamptz
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store.index import ConsentRule, IndexRows
from healix_fhir.store.known_texts import unknown, unknown_codes
from smart_auth.narrowing import CONSENTS, LABELS
from smart_auth.store import CHANNEL

PK = "(TABLE keys)[x.n]"
PAT = "nullif((SELECT g.pat FROM given g)[x.n], 0)"
D = "nullif((SELECT g.d FROM given g)[x.n], 'infinity')"
D_HI = "nullif((SELECT g.d_hi FROM given g)[x.n], 'infinity')"


class Part(NamedTuple):
    """One table: its insertion, the kinds of the columns that are handed over, and the rows of one resource.

    The first column is the position of the resource, which `rows` leaves out. Rows that are not `of_resource` stay when
    the resource changes.
    """

    table: str
    insertion: str
    kinds: tuple[Callable[[Iterable[Any]], Array], ...]
    rows: Callable[[IndexRows], Sequence[tuple[Any, ...]]]
    of_resource: bool = True


def _rule(rule: ConsentRule) -> tuple[Any, ...]:
    numbers = None if rule.types is None else [str(TYPE_ID[name]) for name in rule.types]
    lists = (rule.actors, rule.types, numbers, rule.actions, rule.labels, rule.data)
    chain = _array([str(number) for number in rule.chain])
    return (rule.number, chain, "t" if rule.denies else "f", rule.starts, rule.ends, *map(_array, lists))


def _array(values: Sequence[str] | None) -> str | None:
    """The text of an array of texts. Spec: PostgreSQL arrays, 8.15.6"""
    if values is None:
        return None
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quoted) + "}"


PARTS = (
    Part(
        "index_token",
        f"""INSERT INTO index_token (h, sys, pat, d, d_hi, pk)
     SELECT x.h, x.sys, {PAT}, {D}, {D_HI}, {PK}
     FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS x (n, h, sys)""",
        (int4, int8, int8),
        attrgetter("hot"),
    ),
    Part(
        "index_string",
        f"""INSERT INTO index_string (param, folded, exact, grams, pat, pk)
     SELECT x.param, x.folded, x.exact, x.grams::int[], {PAT}, {PK}
     FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[], %s::text[]) AS x (n, param, folded, exact, grams)""",
        (int4, int4, text, text, text),
        attrgetter("strings"),
    ),
    Part(
        "index_date",
        f"""INSERT INTO index_date (param, lo, hi, pat, pk)
     SELECT x.param, coalesce(x.lo, '-infinity'), coalesce(x.hi, 'infinity'), {PAT}, {PK}
     FROM unnest(%s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[]) AS x (n, param, lo, hi)""",
        (int4, int4, timestamptz, timestamptz),
        attrgetter("dates"),
    ),
    Part(
        "index_reference",
        f"""INSERT INTO index_reference (param, target_type, target, pat, d, pk)
     SELECT x.param, x.target_type, x.target, {PAT}, {D}, {PK}
     FROM unnest(%s::int[], %s::int[], %s::smallint[], %s::text[]) AS x (n, param, target_type, target)""",
        (int4, int4, int2, text),
        attrgetter("references"),
    ),
    Part(
        "index_quantity",
        f"""INSERT INTO index_quantity (h, sys, lo, hi, unit, base_lo, base_hi, code, label, pat, pk)
     SELECT x.h, x.sys, x.lo, x.hi, x.unit, x.base_lo, x.base_hi, x.code, x.label, {PAT}, {PK}
     FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %s::numeric[], %s::numeric[], %s::bigint[],
                 %s::numeric[], %s::numeric[], %s::bigint[], %s::bigint[])
       AS x (n, h, sys, lo, hi, unit, base_lo, base_hi, code, label)""",
        (int4, int8, int8, numeric, numeric, int8, numeric, numeric, int8, int8),
        attrgetter("amounts"),
    ),
    Part(
        "index_position",
        f"""INSERT INTO index_position (param, latitude, longitude, pat, pk)
     SELECT x.param, x.latitude, x.longitude, {PAT}, {PK}
     FROM unnest(%s::int[], %s::int[], %s::float8[], %s::float8[]) AS x (n, param, latitude, longitude)""",
        (int4, int4, float8, float8),
        attrgetter("positions"),
    ),
    Part(
        "index_words",
        f"""INSERT INTO index_words (narrative, content, pk)
     SELECT x.narrative::tsvector, x.content::tsvector, {PK}
     FROM unnest(%s::int[], %s::text[], %s::text[]) AS x (n, narrative, content)""",
        (int4, text, text),
        attrgetter("words"),
    ),
    Part(
        "index_label",
        f"""INSERT INTO index_label (label, restricted, pk)
     SELECT x.label, x.restricted::boolean, {PK}
     FROM unnest(%s::int[], %s::text[], %s::text[]) AS x (n, label, restricted)""",
        (int4, text, text),
        attrgetter("labels"),
    ),
    Part(
        "consent_rule",
        f"""INSERT INTO consent_rule (n, chain, denies, starts, ends, actors, types, type_ids, actions, labels, data,
                                pat, pk)
     SELECT x.number, x.chain::int[], x.denies::boolean, x.starts, x.ends, x.actors::text[], x.types::text[],
            x.type_ids::int[], x.actions::text[], x.labels::text[], x.data::text[], {PAT}, {PK}
     FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[],
                 %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
       AS x (n, number, chain, denies, starts, ends, actors, types, type_ids, actions, labels, data)""",
        (int4, int4, text, text, timestamptz, timestamptz, text, text, text, text, text, text),
        lambda index: [_rule(rule) for rule in index.rules],
    ),
    Part(
        "narrowing",
        # announced once: from then on every process asks for what Consents and labels hide
        f"""INSERT INTO narrowing (kind)
     SELECT DISTINCT x.kind FROM unnest(%s::int[], %s::text[]) AS x (n, kind)
     ON CONFLICT DO NOTHING RETURNING pg_notify('{CHANNEL}', '')""",
        (int4, text),
        lambda index: (((LABELS,),) if index.labels else ()) + (((CONSENTS,),) if index.rules else ()),
        of_resource=False,
    ),
    Part(
        "index_text",
        # in order, so that two writers who put in the same texts never wait for each other in a circle
        """INSERT INTO index_text (param, folded, h)
     SELECT DISTINCT x.param, x.folded, x.h
     FROM unnest(%s::int[], %s::int[], %s::text[], %s::bigint[]) AS x (n, param, folded, h)
     ORDER BY x.param, x.folded ON CONFLICT DO NOTHING""",
        (int4, int4, text, int8),
        unknown,
        of_resource=False,
    ),
    Part(
        "index_code",
        # in order, as above
        """INSERT INTO index_code (param, system, code, key, h, sys)
     SELECT DISTINCT x.param, x.system, x.code, x.key, x.h, x.sys
     FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
       AS x (n, param, system, code, key, h, sys)
     ORDER BY x.param, x.system, x.code ON CONFLICT DO NOTHING""",
        (int4, int4, text, text, int8, int8, int8),
        unknown_codes,
        of_resource=False,
    ),
)

CLEAR = """
   gone AS MATERIALIZED (
     SELECT %(pks)s::bigint[] || ARRAY(
       SELECT c.pk FROM index_contained c WHERE c.container = ANY(%(pks)s::bigint[])) AS pks),
   contained_rows AS (DELETE FROM index_contained WHERE container = ANY(%(pks)s::bigint[])),""" + "".join(
    f"\n   {part.table}_rows AS (DELETE FROM {part.table} WHERE pk = ANY((TABLE gone)::bigint[])),"
    for part in PARTS
    if part.of_resource
)
"""What takes the rows of replaced versions, and of what they contain, out."""


def needed(resources: Sequence[IndexRows]) -> tuple[Part, ...]:
    """The parts for which a resource has rows."""
    return tuple(part for part in PARTS if any(map(part.rows, resources)))


def insertions(parts: Sequence[Part]) -> str:
    """The parts of the statement, each followed by a comma."""
    return "".join(f"\n   {part.table}_rows AS (\n     {part.insertion})," for part in parts)


def params(parts: Sequence[Part], resources: Sequence[IndexRows]) -> list[Array]:
    """The columns of all parts, for resources in the order of their positions."""
    return [array for part in parts for array in _columns(part, resources)]


def _columns(part: Part, resources: Sequence[IndexRows]) -> list[Array]:
    rows = [(n, *row) for n, index in enumerate(resources, 1) for row in part.rows(index)]
    return [kind(column) for kind, column in zip(part.kinds, zip(*rows, strict=True), strict=True)]
