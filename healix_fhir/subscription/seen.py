"""What subscribers may see of what has changed, now: asked before an event gets a number, and again at each delivery.

Several subscribers are asked for in one statement, each under the access predicate of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from healix_fhir.kernel import arrays
from healix_fhir.kernel.conditions import all_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.guard import Guard
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.subscription.standing import Owner
from smart_auth.access import AccessContext, restored
from smart_auth.scope import Permission

TOGETHER = 40
"""Subscribers in one statement."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether `access` sees a resource; with `full` it is to be read, too."""

    access: AccessContext
    type: str
    id: str
    full: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource as it is now, and whose it is."""

    version: int
    body: bytes
    patient: str | None


def accesses(owners: Sequence[Owner], bases: tuple[str, ...]) -> Work[list[AccessContext]]:
    """The present access of each writer; each is made once."""
    known: dict[tuple[tuple[str, str | None], ...], AccessContext] = {}
    found = []
    for owner in owners:
        key = tuple(sorted(owner.items()))
        if key not in known:
            known[key] = yield from restored(owner, ScopeQueries(bases))
        found.append(known[key])
    return found


def seen(asked: Sequence[Asked], *, bodies: bool = True) -> Work[dict[int, Shown]]:
    """What of `asked` is there and seen, by its place in it; without `bodies`, of a thousand who ask for one, empty."""
    found: dict[int, Shown] = {}
    groups: dict[Fragment, list[int]] = {}
    for place, one in enumerate(asked):
        groups.setdefault(_condition(one), []).append(place)
    several = list(groups.items())
    for begin in range(0, len(several), TOGETHER):
        guard = Guard()
        part = several[begin : begin + TOGETHER]
        places = [(place, guard.number(condition)) for condition, members in part for place in members]
        rows = yield _statement(guard, asked, places, bodies=bodies)
        found.update((place, Shown(version, bytes(body), patient)) for place, version, body, patient in rows)
    return found


def _condition(asked: Asked) -> Fragment:
    """The condition on the row `r`. Not every permission has to open the same: each must open it."""
    needed: Iterable[Permission] = (Permission.SEARCH, Permission.READ) if asked.full else (Permission.SEARCH,)
    return all_of(list(dict.fromkeys(asked.access.predicate(asked.type, one, "r") for one in needed)))


def _statement(guard: Guard, asked: Sequence[Asked], places: Sequence[tuple[int, int]], *, bodies: bool) -> Statement:
    condition = guard.condition("x.g")
    body = "r.body" if bodies else "''::bytea"
    return Statement(
        f"""SELECT x.n, r.version, {body}, k.id
            FROM unnest(%s::int[], %s::int[], %s::smallint[], %s::text[]) AS x (n, g, type, id)
            JOIN resource r ON r.type = x.type AND r.id = x.id
            LEFT JOIN patient_key k ON k.pat = r.pat
            WHERE NOT r.deleted AND {condition.sql}""",
        (
            arrays.int4(place for place, _ in places),
            arrays.int4(number for _, number in places),
            arrays.int2(TYPE_ID[asked[place].type] for place, _ in places),
            [asked[place].id for place, _ in places],
            *condition.params,
        ),
        prepare=False,
    )
