"""Members of a value set below each other, as their code systems have them.

Concepts are numbered depth first: a member stands below the last one before it among whose numbers its own is.
What lies between them and is no member is passed over. What a value set lists by code keeps its place in that list.

What stands deeper than readers of JSON go stays at the deepest place.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion.contains.contains
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.terminology.conditions import Group
from healix_fhir.terminology.members import Member

Json = dict[str, Any]
DEEPEST = 25
"""Members below each other: each is an array and an object of JSON, of which Healix itself reads no more than 64."""


def nested(members: Sequence[Member], entries: Sequence[Json]) -> Work[list[Json]]:
    """The entries of members, in order, each within that of the member that it stands below."""
    ends = yield from _ends(members)
    top: list[Json] = []
    above: list[tuple[Group, int, Json]] = []
    for member, entry in zip(members, entries, strict=True):
        end = ends.get((member.group, member.n))
        while above and (end is None or above[-1][0] != member.group or above[-1][1] <= (member.n or 0)):
            above.pop()
        (above[-1][2].setdefault("contains", []) if above else top).append(entry)
        if end is not None and len(above) < DEEPEST - 1:
            above.append((member.group, end, entry))
    return top


def _ends(members: Sequence[Member]) -> Work[dict[tuple[Group, int | None], int]]:
    """Of the members that are not listed: the first number behind those that follow theirs and are below them."""
    numbers: dict[Group, list[int]] = {}
    for member in members:
        if member.n is not None and member.listed is None and member.group.system is not None:
            numbers.setdefault(member.group, []).append(member.n)
    found: dict[tuple[Group, int | None], int] = {}
    for group, asked in numbers.items():
        assert group.system is not None
        rows = yield Statement(
            """SELECT c.n, (SELECT upper(r) FROM unnest(c.below) r WHERE r @> c.n) FROM concept c
               WHERE c.system = %s AND c.n = ANY(%s::int[])""",
            (group.system.id, arrays.int4(asked)),
            prepare=False,
        )
        found |= {(group, n): end for n, end in rows}
    return found
