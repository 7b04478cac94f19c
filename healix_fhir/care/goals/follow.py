"""Moves the achievementStatus of Goals by what was measured.

From the outbox: Observations, as they are looked at (care/glance.py), move the Goals of their patient that measure what
they tell, and a Goal that changes is looked at itself. Goals are also looked at on a schedule, since days pass on which
nothing is measured. Each is locked before it is looked at and judged by what is there then, so that events may come
twice, late and in any order, to several workers: what holds already makes no version.

A Goal is read by some who may not read what was measured, as apps without a scope on Observations: the reason that is
stored holds no value, as an alert holds none, and what a security label marks, or a Consent denies by name, moves no
Goal. `$progress` tells each caller the values that this one may see.

A Goal whose subject is a Patient of another server is nobody's here, whatever the id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.care.glance import OBSERVATION, Glance, Onlooker
from healix_fhir.care.goals.standing import is_followed, moved, provenance
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import arrays, clock
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.operation.goal.achievement import Achievement, achievement
from healix_fhir.operation.goal.observed import measured, observed
from healix_fhir.operation.goal.target import Coding, Plan, plan
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

Json = dict[str, Any]
GOAL, PATIENT = "Goal", "Patient"
NAME = "goals"
"""Under this name the server stands in the audit trail."""
NAMED = f"{TYPE_ID[OBSERVATION]}/"
"""What an Observation's name begins with where a Consent's rules have it (search/consent_rules.py)."""
AT_ONCE = 50
"""Goals of one transaction on the schedule."""


class _Meta(msgspec.Struct, frozen=True):
    security: tuple[dict[str, Any], ...] = ()


class _Labelled(msgspec.Struct, frozen=True):
    """What of an Observation tells whether it is hidden from somebody."""

    meta: _Meta = _Meta()


_labelled = msgspec.json.Decoder(_Labelled)


def consumer(bases: tuple[str, ...], clinic: tzinfo | None) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer of Goals for a server whose FHIR base URLs are `bases`; `clinic` is the zone where a patient has
    none.
    """

    def handle(events: Sequence[Event]) -> Work[None]:
        goals = {event.payload["id"] for event in events if event.payload["type"] == GOAL}
        if goals:
            yield from follow(goals, bases, clinic)

    return handle


def onlooker(bases: tuple[str, ...], clinic: tzinfo | None) -> Onlooker:
    """Who follows the Goals that Observations tell of."""

    def look(seen: Sequence[Glance]) -> Work[None]:
        goals = yield from _measuring(seen)
        if goals:
            yield from follow(goals, bases, clinic)

    return look


def _measuring(seen: Sequence[Glance]) -> Work[set[str]]:
    """The Goals of the patients of Observations that measure what one of these tells of its patient."""
    rows = yield Statement(
        """SELECT g.id, g.pat, g.body FROM unnest(%s::bigint[]) AS w (pat) JOIN resource g ON g.pat = w.pat
           WHERE g.type = %s AND NOT g.deleted""",
        (arrays.int8(sorted({one.pat for one in seen if one.pat is not None})), TYPE_ID[GOAL]),
        prepare=False,
    )
    goals = [(id_, pat, goal) for id_, pat, body in rows if is_followed(goal := decode(bytes(body)))]
    if not goals:
        return set()
    told = _told(seen, {pat for _, pat, _ in goals})
    return {id_ for id_, pat, goal in goals if _is_told_of(goal, told[pat])}


def _is_told_of(goal: Json, told: set[Coding | None]) -> bool:
    return None in told or any(not told.isdisjoint(one.codes) for one in plan(goal).measured)


def _told(seen: Iterable[Glance], patients: set[int]) -> Mapping[int, set[Coding | None]]:
    """The codes of what Observations tell of each of some patients (keys); None among them where one is deleted: what
    that told stands in its history, so that any Goal may be concerned.
    """
    told: defaultdict[int, set[Coding | None]] = defaultdict(set)
    for one in seen:
        if one.pat in patients:
            told[one.pat].update([None] if one.deleted else [(c.system, c.code) for c in (*one.codes, *one.parts)])
    return told


def follow(ids: Iterable[str], bases: tuple[str, ...], clinic: tzinfo | None) -> Work[int]:
    """Look at Goals; how many were moved. While the index is not whole none is: the schedule looks again."""
    rows = yield Statement(
        """SELECT g.id, g.version, g.body, k.id FROM resource g JOIN patient_key k ON k.pat = g.pat
           WHERE g.type = %s AND g.id = ANY(%s) AND NOT g.deleted ORDER BY g.id FOR NO KEY UPDATE OF g""",
        (TYPE_ID[GOAL], sorted(ids)),
    )
    followed = [
        (id_, version, body, whose) for id_, version, raw, whose in rows if is_followed(body := decode(bytes(raw)))
    ]
    plans = {id_: read for id_, _, goal, whose in followed if (read := plan(goal)).patient == whose}
    goals = [(id_, version, goal) for id_, version, goal, _ in followed if id_ in plans]
    if not goals:
        return 0
    zones = yield from _zones(plans, clinic)
    hidden = yield from _hidden(plans.values())
    changes: list[Change] = []
    for id_, version, goal in goals:
        zone, now = zones[id_], clock.now()
        try:
            found = yield from _judged(plans[id_], zone, bases[0], hidden)
        except HealixError as error:
            if error.category is not Category.UNAVAILABLE:
                raise
            return 0
        made = moved(goal, found, now.astimezone(zone).date()) if found is not None else None
        if found is not None and made is not None:
            why = provenance(id_, version + 1, str(plans[id_].patient), found, now)
            changes.append(change(Method.PUT, made, GOAL, id_, bases, version))
            changes.append(change(Method.PUT, why, "Provenance", why["id"], bases))
    if changes:
        yield from commit(internal(NAME), changes)
    return len(changes) // 2


def _judged(found: Plan, zone: tzinfo, base: str, hidden: set[str]) -> Work[Achievement | None]:
    """What holds now; None for a Goal of which some target is for people to judge."""
    if not found.targets or len(found.measured) < len(found.targets):
        return None
    matches = yield from observed(internal(NAME), found, zone, base)
    shown = [one for one in matches if one.id not in hidden and not _is_marked(one.body)]
    return achievement(measured(found, shown, zone, clock.now().astimezone(zone).date()), values=False)


def _is_marked(observation: bytes) -> bool:
    """Whether it has a security label."""
    return b'"security"' in observation and bool(_labelled.decode(observation).meta.security)


def _hidden(plans: Iterable[Plan]) -> Work[set[str]]:
    """The Observations of these patients that a Consent denies by name."""
    rows = yield Statement(
        """SELECT DISTINCT substr(d.name, length(%s) + 1) FROM patient_key k
           JOIN consent_rule c ON c.pat = k.pat AND c.denies CROSS JOIN unnest(c.data) AS d (name)
           WHERE k.id = ANY(%s) AND starts_with(d.name, %s)""",
        (NAMED, sorted({one.patient for one in plans if one.patient is not None}), NAMED),
        prepare=False,
    )
    return {id_ for (id_,) in rows}


def _zones(plans: Mapping[str, Plan], clinic: tzinfo | None) -> Work[dict[str, tzinfo]]:
    """The zone of each Goal's patient."""
    rows = yield Statement(
        "SELECT p.id, p.body FROM resource p WHERE p.type = %s AND p.id = ANY(%s) AND NOT p.deleted",
        (TYPE_ID[PATIENT], sorted({one.patient for one in plans.values() if one.patient is not None})),
    )
    known = {id_: zone_of(decode(bytes(body)), clinic) for id_, body in rows}
    elsewhere = zone_of(None, clinic)
    return {id_: known.get(one.patient or "", elsewhere) for id_, one in plans.items()}


def follow_all(pool: ConnectionPool[Connection[Row]], bases: tuple[str, ...], clinic: tzinfo | None) -> Iterator[int]:
    """Look at every Goal, some in a transaction; yields how many of these were moved."""
    last = 0
    while rows := transaction(pool, lambda after=last: _after(after)):  # type: ignore[misc]
        last = rows[-1][0]
        ids = [id_ for _, id_ in rows]
        yield transaction(pool, lambda some=ids: follow(some, bases, clinic))  # type: ignore[misc]


def _after(pk: int) -> Work[list[Row]]:
    return (
        yield Statement(
            "SELECT pk, id FROM resource WHERE type = %s AND pk > %s AND NOT deleted ORDER BY pk LIMIT %s",
            (TYPE_ID[GOAL], pk, AT_ONCE),
        )
    )
