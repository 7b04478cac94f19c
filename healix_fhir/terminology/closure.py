"""Closure tables: the concepts that a client uses, and which of them stand above which, kept for it.

A table belongs to who made it: the client with its user. What is added to it makes a new version of it, whose pairs are
kept, so that a client can ask again for what came after a version.

Spec: FHIR R4, hl7.org/fhir/R4/terminology-service.html#closure
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, Table, Text, UniqueConstraint, text

from healix_fhir.kernel import arrays
from healix_fhir.kernel.arrays import Array
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.concepts import Concept

C = Text(collation="C")

closure = Table(
    "closure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("owner", C, nullable=False),
    Column("name", C, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("owner", "name", name="closure_of_owner"),
    comment="closure tables of clients",
)

closure_concept = Table(
    "closure_concept",
    metadata,
    Column(
        "closure", BigInteger, ForeignKey("closure.id", name="concept_of_closure", ondelete="CASCADE"), primary_key=True
    ),
    Column("system", C, primary_key=True),
    Column("code", C, primary_key=True),
    Column("code_system", Integer, nullable=False),  # whose concept it was when it was added
    Column("n", Integer, nullable=False),
    comment="the concepts of closure tables",
)
closure_pair = Table(
    "closure_pair",
    metadata,
    Column("closure", BigInteger, ForeignKey("closure.id", name="pair_of_closure", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),  # of the table, in which it came
    Column("system", C, nullable=False),
    Column("code", C, nullable=False),
    Column("above", C, nullable=False),  # the code of the concept above it
    comment="which concepts of closure tables stand above which",
)
Index("closure_pair_version", closure_pair.c.closure, closure_pair.c.version)

TABLES = 100
"""Closure tables of one owner."""
CONCEPTS = 10_000
"""Concepts of one table."""
PAIRS = 200_000
"""Pairs of one table."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A concept and one that subsumes it."""

    system: str
    code: str
    above: str


def begin(owner: str, name: str) -> Work[None]:
    """An empty table of this name, also where there was one. Raises Invalid where there are too many."""
    yield Statement("DELETE FROM closure WHERE owner = %s AND name = %s", (owner, name))
    rows = yield Statement(
        """INSERT INTO closure (owner, name) SELECT %s, %s
           WHERE (SELECT count(*) FROM closure WHERE owner = %s) < %s RETURNING id""",
        (owner, name, owner, TABLES),
    )
    if not rows:
        raise invalid(f"a client has at most {TABLES} closure tables", code="too-costly", expression=("name",))


def find(owner: str, name: str) -> Work[tuple[int, int]]:
    """The id and the version of a table, locked. Raises NotFound where the owner has none of this name."""
    rows = yield Statement("SELECT id, version FROM closure WHERE owner = %s AND name = %s FOR UPDATE", (owner, name))
    if not rows:
        raise not_found(f"there is no closure table '{name[:100]}'")
    return int(rows[0][0]), int(rows[0][1])


def since(id_: int, version: int) -> Work[list[Pair]]:
    """The pairs that came after a version."""
    rows = yield Statement(
        """SELECT system, code, above FROM closure_pair WHERE closure = %s AND version > %s
           ORDER BY version, system, code, above""",
        (id_, version),
    )
    return [Pair(*row) for row in rows]


def add(id_: int, version: int, added: Collection[tuple[System, Concept]]) -> Work[tuple[int, list[Pair]]]:
    """Put concepts into a table: its version, a new one where any is new, and the pairs that this brings.

    Concepts are compared in the version of the code system in which they were added, those of one that was written anew
    in what it is now. Raises Invalid when it is full.
    """
    yield Statement(_ANEW, (id_, arrays.int4({system.id for system, _ in added})))
    new = yield from _put(id_, added)
    if not new:
        return version, []
    rows = yield Statement("SELECT count(*) FROM closure_concept WHERE closure = %s", (id_,))
    if rows[0][0] > CONCEPTS:
        raise invalid(f"a closure table has at most {CONCEPTS} concepts", code="too-costly", expression=("concept",))
    rows = yield Statement("SELECT count(*) FROM closure_pair WHERE closure = %s", (id_,))
    room = PAIRS - rows[0][0]
    yield Statement("UPDATE closure SET version = %s WHERE id = %s", (version + 1, id_))
    made = yield Statement(_PAIRS, (*_columns(new), id_, id_, id_, version + 1, room + 1), prepare=False)
    if made[0][0] > room:
        raise invalid(f"a closure table has at most {PAIRS} pairs", code="too-costly", expression=("concept",))
    return version + 1, (yield from since(id_, version))


_PAIRS = """
WITH new AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[]) AS x (system, code, code_system, n)),
   pairs AS (
     SELECT a.system, a.code, b.code AS above
     FROM new a JOIN closure_concept b ON b.closure = %s AND b.code_system = a.code_system AND b.n <> a.n
     JOIN concept c ON c.system = b.code_system AND c.n = b.n AND c.below @> a.n
     UNION ALL
     SELECT a.system, a.code, b.code
     FROM new b JOIN concept c ON c.system = b.code_system AND c.n = b.n
     JOIN closure_concept a ON a.closure = %s AND a.code_system = b.code_system AND a.n <> b.n AND c.below @> a.n
     WHERE NOT EXISTS (SELECT FROM new x WHERE x.system = a.system AND x.code = a.code)),
   made AS (
     INSERT INTO closure_pair (closure, version, system, code, above)
     SELECT %s, %s, p.* FROM pairs p LIMIT %s RETURNING 1)
SELECT count(*) FROM made"""
_ANEW = """
UPDATE closure_concept k SET code_system = s.id, n = c.n FROM code_system s JOIN concept c ON c.system = s.id
WHERE k.closure = %s AND s.id = ANY(%s::int[]) AND k.system = s.url
  AND c.key = CASE WHEN s.case_sensitive THEN k.code ELSE lower(k.code) END
  AND NOT EXISTS (SELECT FROM code_system o WHERE o.id = k.code_system)"""
"""Concepts whose code system is gone, since its resource was written anew, are those of what it is now."""

New = tuple[str, str, int, int]
"""System, code, the id of the code system and the number of the concept there."""


def _put(id_: int, added: Iterable[tuple[System, Concept]]) -> Work[list[New]]:
    """Those of the concepts that are new in a table."""
    rows = yield Statement(
        """INSERT INTO closure_concept (closure, system, code, code_system, n)
           SELECT %s, x.* FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[]) AS x
           ON CONFLICT DO NOTHING RETURNING system, code, code_system, n""",
        (id_, *_columns([(system.url, concept.code, system.id, concept.n) for system, concept in added])),
    )
    return [(str(system), str(code), int(code_system), int(n)) for system, code, code_system, n in rows]


def _columns(new: Sequence[New]) -> tuple[Array, ...]:
    return (
        arrays.text(one[0] for one in new),
        arrays.text(one[1] for one in new),
        arrays.int4(one[2] for one in new),
        arrays.int4(one[3] for one in new),
    )
