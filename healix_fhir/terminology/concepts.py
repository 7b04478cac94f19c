"""Read the concepts of a code system.

Spec: FHIR R4, hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.search.words import words
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.content import Designation, Property
from healix_fhir.terminology.hierarchy import Ranges


class Concept(msgspec.Struct, frozen=True):
    """A concept of a code system; `n` is its number there."""

    n: int
    code: str
    display: str | None
    definition: str | None
    inactive: bool
    abstract: bool


COLUMNS = "c.n, c.code, c.display, c.definition, c.inactive, c.abstract"
"""What makes a Concept, of the table `concept` as `c`."""


def look_up(system: System, codes: Collection[str]) -> Work[dict[str, Concept]]:
    """The concepts of codes as they were asked for; those that do not exist are left out."""
    keys = {system.key(code) for code in codes}
    rows = yield Statement(
        f"SELECT c.key, {COLUMNS} FROM concept c WHERE c.system = %s AND c.key = ANY(%s::text[])",
        (system.id, arrays.text(keys)),
    )
    found = {key: Concept(*rest) for key, *rest in rows}
    return {code: found[system.key(code)] for code in codes if system.key(code) in found}


def at(system: System, numbers: Iterable[int]) -> Work[list[Concept]]:
    """The concepts with these numbers, in their order."""
    rows = yield Statement(
        f"SELECT {COLUMNS} FROM concept c WHERE c.system = %s AND c.n = ANY(%s::int[]) ORDER BY c.n",
        (system.id, arrays.int4(numbers)),
    )
    return [Concept(*row) for row in rows]


def below(system: System, n: int) -> Work[Ranges]:
    """The numbers of a concept and of all that is below it."""
    rows = yield Statement(
        """SELECT lower(r), upper(r) FROM concept c, unnest(c.below) AS r WHERE c.system = %s AND c.n = %s
           ORDER BY 1""",
        (system.id, n),
    )
    return tuple(bound for row in rows for bound in row)


def subsumes(system: System, n: int, other: int) -> Work[bool]:
    """Whether a concept is another one, or stands above it."""
    rows = yield Statement(
        "SELECT c.below @> %s::int FROM concept c WHERE c.system = %s AND c.n = %s", (other, system.id, n)
    )
    return bool(rows[0][0])


def compare(system: System, a: str, b: str) -> Work[tuple[bool, bool] | None]:
    """Whether `a` is `b` or stands above it, and the other way round; None where one of them does not exist."""
    rows = yield Statement(
        """SELECT a.below @> b.n, b.below @> a.n FROM concept a, concept b
           WHERE a.system = %s AND a.key = %s AND b.system = a.system AND b.key = %s""",
        (system.id, system.key(a), system.key(b)),
    )
    return (rows[0][0], rows[0][1]) if rows else None


def designations(system: System, numbers: Iterable[int]) -> Work[dict[int, list[Designation]]]:
    """The designations of concepts by number."""
    rows = yield Statement(
        """SELECT n, value, language, use_system, use_code, use_display FROM concept_designation
           WHERE system = %s AND n = ANY(%s::int[]) ORDER BY n, language, use_code, value""",
        (system.id, arrays.int4(numbers)),
    )
    found: dict[int, list[Designation]] = {}
    for n, *rest in rows:
        found.setdefault(n, []).append(Designation(*rest))
    if system.supplements:
        yield from _supplement_names(system, numbers, found)
    return found


_ADDED = """FROM concept b JOIN concept y ON y.system = ANY(%s::int[]) AND y.key = ANY(ARRAY[b.key, b.code])
           {more} WHERE b.system = %s AND b.n = ANY(%s::int[])"""
"""Concepts of supplements, `y`, and the concepts of the system that they add to, `b`."""


def _added(system: System, numbers: Iterable[int]) -> tuple[object, ...]:
    return arrays.int4(one.id for one in system.supplements), system.id, arrays.int4(numbers)


def _supplement_names(system: System, numbers: Iterable[int], found: dict[int, list[Designation]]) -> Work[None]:
    """Add what supplements call concepts. Their displays are names too, in the language of the supplement."""
    languages = {one.id: one.about.get("language") for one in system.supplements}
    params = _added(system, numbers)
    rows = yield Statement(
        f"""SELECT b.n, y.system, 0 AS kind, y.display AS value, NULL AS language, NULL, NULL, NULL
            {_ADDED.format(more="")} AND y.display IS NOT NULL AND y.display IS DISTINCT FROM b.display
            UNION ALL
            SELECT b.n, y.system, 1, d.value, d.language, d.use_system, d.use_code, d.use_display
            {_ADDED.format(more="JOIN concept_designation d ON d.system = y.system AND d.n = y.n")}
            ORDER BY n, system, kind, language, value""",
        (*params, *params),
        prepare=False,
    )
    for n, of, kind, value, language, *use in rows:
        told = language if kind else languages[of]
        found.setdefault(n, []).append(Designation(value, told, *use))


def properties(
    system: System, numbers: Iterable[int], codes: Collection[str] | None = None
) -> Work[dict[int, list[Property]]]:
    """The properties of concepts by number, all or those with these codes."""
    only = Fragment("AND p.code = ANY(%s::text[])", (arrays.text(codes),)) if codes is not None else Fragment("")
    rows = yield Statement(
        f"""SELECT p.n, p.code, p.type, p.value, p.value_system, p.value_display FROM concept_property p
            WHERE p.system = %s AND p.n = ANY(%s::int[]) {only.sql} ORDER BY p.n, p.code, p.value""",
        (system.id, arrays.int4(numbers), *only.params),
    )
    found: dict[int, list[Property]] = {}
    for n, *rest in rows:
        found.setdefault(n, []).append(Property(*rest))
    if system.supplements:
        added = yield Statement(
            f"""SELECT b.n, p.code, p.type, p.value, p.value_system, p.value_display
                {_ADDED.format(more="JOIN concept_property p ON p.system = y.system AND p.n = y.n")} {only.sql}
                ORDER BY b.n, p.code, p.value""",
            (*_added(system, numbers), *only.params),
            prepare=False,
        )
        for n, *rest in added:
            found.setdefault(n, []).append(Property(*rest))
    return found


def parents(system: System, n: int) -> Work[list[Concept]]:
    """The concepts directly above one."""
    return (yield from _beside(system, n, "e.parent = c.n AND e.n = %s"))


def children(system: System, n: int, most: int | None = None) -> Work[list[Concept]]:
    """The concepts directly below one, the first `most`."""
    return (yield from _beside(system, n, "e.n = c.n AND e.parent = %s", most))


def _beside(system: System, n: int, condition: str, most: int | None = None) -> Work[list[Concept]]:
    rows = yield Statement(
        f"""SELECT {COLUMNS} FROM concept_parent e JOIN concept c ON c.system = e.system
            WHERE e.system = %s AND {condition} ORDER BY c.n LIMIT %s""",
        (system.id, n, most),
    )
    return [Concept(*row) for row in rows]


def text_query(text: str) -> str | None:
    """What finds concepts by a text: each of its words begins a word of the concept. None for a text without words."""
    return " & ".join(f"{word}:*" for word in dict.fromkeys(words(text))) or None
