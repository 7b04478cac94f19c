"""Put a code system that was read into the tables, in steps that each stay; whole, it becomes visible with the last.

A load that was stopped goes on after the last step when the same files are loaded again: concepts are written in the
order of their numbers, so that the last one tells how far it got. A version that was loaded before from other files is
replaced in the moment in which the new one is whole.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Row, Statement, Work, run, transaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.catalog import LOADED
from healix_fhir.terminology.content import Contents
from healix_fhir.terminology.fill import HEADING, Origin, heading_params
from healix_fhir.terminology.rows import Placed, placed

STEP = 5_000
"""Concepts of a step."""
MOST = 50_000_000
"""Ranges that the hierarchy may come to; SNOMED CT's comes to a tenth of it."""
Pool = ConnectionPool[Connection[Row]]

COPIES = (
    ("concept", "n, code, key, display, definition, inactive, abstract, below, words"),
    ("concept_parent", "n, parent"),
    ("concept_designation", "n, language, use_system, use_code, use_display, value"),
    ("concept_property", "n, code, type, value, value_system, value_display"),
)


def load(pool: Pool, contents: Contents, stamp: str, advance: Callable[[int], None]) -> str:
    """Load it: `loaded`, `replaced` or `unchanged`; `advance` is told how many concepts were written.

    Raises Invalid where the hierarchy goes round in a circle.
    """
    heading = contents.heading
    (known,) = transaction(pool, lambda: _find(heading.url, heading.version, stamp))
    if known is not None and known[1]:
        return "unchanged"
    made = placed(contents, MOST)
    _check(made)
    if known is None:
        (known,) = transaction(pool, lambda: _begin(made, stamp))
    system = known[0]
    _write(pool, system, made, advance)
    return transaction(pool, lambda: _finish(system, heading.url, heading.version))


def _find(url: str, version: str, stamp: str) -> Work[tuple[Row | None]]:
    rows = yield Statement(
        "SELECT id, ready FROM code_system WHERE (url, version, source, stamp) = (%s, %s, %s, %s)",
        (url, version, LOADED, stamp),
    )
    return (rows[0] if rows else None,)


def _check(made: Placed) -> None:
    looping = made.arrangement.looping
    if looping:
        child, parent = (made.entries[place].code for place in looping[0])
        raise invalid(f"the hierarchy goes round in a circle: {parent} stands above {child}, and below it")


def _begin(made: Placed, stamp: str) -> Work[tuple[Row]]:
    rows = yield Statement(
        f"{HEADING.format(ready='false')} RETURNING id, ready", heading_params(made, Origin(LOADED, stamp))
    )
    return (rows[0],)


def _write(pool: Pool, system: int, made: Placed, advance: Callable[[int], None]) -> None:
    """Write what is not there yet, a step in a transaction."""
    order = made.in_order()
    rows = (made.concepts, made.edges, made.designations, made.properties)
    with pool.connection() as connection:
        with connection.transaction():
            known = connection.execute(
                "SELECT coalesce(max(n), 0) FROM concept WHERE system = %s", (system,)
            ).fetchone()
        done = known[0] if known else 0
        advance(done)
        for begin in range(done, len(order), STEP):
            places = order[begin : begin + STEP]
            with connection.transaction(), connection.cursor() as cursor:
                for (table, columns), of in zip(COPIES, rows, strict=True):
                    with cursor.copy(f"COPY {table} (system, {columns}) FROM STDIN") as copy:
                        for row in of(places):
                            copy.write_row((system, *row))
            advance(len(places))


def _finish(system: int, url: str, version: str) -> Work[str]:
    """Let the code system be seen, in the place of what was loaded as this version before."""
    gone = yield Statement(
        """DELETE FROM code_system WHERE (url, version, source) = (%s, %s, %s) AND id <> %s RETURNING ready""",
        (url, version, LOADED, system),
    )
    yield Statement("UPDATE code_system SET ready = true, loaded = now() WHERE id = %s", (system,))
    replaced = any(ready for (ready,) in gone)
    yield record([AuditRow(OPERATOR, "U" if replaced else "C", "code-system", entity=f"{url}|{version}")])
    return "replaced" if replaced else "loaded"


def analyze(pool: Pool) -> None:
    """Tell the planner of what was loaded."""
    with pool.connection() as connection:
        for table, _ in COPIES:
            connection.execute(f"ANALYZE {table}")


def listed(connection: Connection[Row]) -> list[Row]:
    """url, version, name, count, whether ready, when, and how many concepts are there, of what was loaded."""
    return run(connection, _listed())


def _listed() -> Work[list[Row]]:
    rows = yield Statement(
        """SELECT s.url, s.version, s.name, s.count, s.ready, s.loaded,
             (SELECT coalesce(max(c.n), 0) FROM concept c WHERE c.system = s.id)
           FROM code_system s WHERE s.source = %s ORDER BY s.url, s.version, s.id""",
        (LOADED,),
    )
    return rows


def remove(url: str, version: str) -> Work[int]:
    """Take a version out: how many concepts went with it. Raises Invalid where none was loaded."""
    rows = yield Statement(
        "DELETE FROM code_system WHERE (url, version, source) = (%s, %s, %s) RETURNING count", (url, version, LOADED)
    )
    if not rows:
        raise invalid(f"no {url}|{version} was loaded")
    yield record([AuditRow(OPERATOR, "D", "code-system", entity=f"{url}|{version}")])
    return sum(count for (count,) in rows)
