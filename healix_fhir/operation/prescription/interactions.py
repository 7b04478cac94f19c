"""The interactions that an administrator has loaded, by the codes of two substances or classes of substances.

None is built in: no source was found that is free, kept up to date and could be checked. Without a loaded one orders
are told not to have been looked at, rather than to be free of interactions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.operation.prescription.drug import Coding

GROUP = 5000


class Interaction(msgspec.Struct, frozen=True):
    """Two that do not go together: how bad it is (DetectedIssue.severity), what happens, what to do about it."""

    a: Coding
    b: Coding
    names: str
    severity: str
    effect: str = ""
    management: str = ""
    source: str = ""


class Source(msgspec.Struct, frozen=True):
    """What was loaded under a name."""

    name: str
    count: int
    loaded: str


def between(one: Collection[Coding], others: Collection[Coding]) -> Work[list[Interaction]]:
    """The interactions of which one code is among `one` and the other among `others`, whichever is named first."""
    left, right = _pairs(one), _pairs(others)
    rows = yield Statement(f"{_FOUND} UNION {_FOUND} ORDER BY 1, 2, 3, 4, 5, 6", (*left, *right, *right, *left))
    return [Interaction((a, b), (c, d), *rest) for a, b, c, d, *rest in rows]


def loaded() -> Work[list[Source]]:
    """The sources that are loaded."""
    rows = yield Statement(
        "SELECT source, count(*), to_char(max(loaded), 'YYYY-MM-DD') FROM drug_interaction GROUP BY source ORDER BY 1"
    )
    return [Source(*row) for row in rows]


def replace(origin: Origin, source: str, found: Sequence[Interaction]) -> Work[int]:
    """Put the interactions of a source in the place of those that it had; how many there were."""
    rows = yield Statement("DELETE FROM drug_interaction WHERE source = %s RETURNING 1", (source,))
    for start in range(0, len(found), GROUP):
        group = found[start : start + GROUP]
        yield Statement(
            """INSERT INTO drug_interaction
                 (source, a_system, a_code, b_system, b_code, names, severity, effect, management)
               SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                                        %s::text[], %s::text[])""",
            (
                source,
                arrays.text(one.a[0] for one in group),
                arrays.text(one.a[1] for one in group),
                arrays.text(one.b[0] for one in group),
                arrays.text(one.b[1] for one in group),
                arrays.text(one.names for one in group),
                arrays.text(one.severity for one in group),
                arrays.text(one.effect for one in group),
                arrays.text(one.management for one in group),
            ),
        )
    yield record([AuditRow(origin, "U" if rows else "C", "drug-interactions", query=source[:200])])
    return len(rows)


def remove(origin: Origin, source: str) -> Work[int]:
    """Take a source out; how many interactions it had."""
    rows = yield Statement("DELETE FROM drug_interaction WHERE source = %s RETURNING 1", (source,))
    if rows:
        yield record([AuditRow(origin, "D", "drug-interactions", query=source[:200])])
    return len(rows)


_FOUND = """SELECT a_system, a_code, b_system, b_code, names, severity, effect, management, source
    FROM drug_interaction
    WHERE (a_system, a_code) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
      AND (b_system, b_code) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""


def _pairs(codes: Collection[Coding]) -> tuple[arrays.Array, arrays.Array]:
    ordered = sorted(codes)
    return arrays.text(system for system, _ in ordered), arrays.text(code for _, code in ordered)
