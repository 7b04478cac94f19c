"""Keeps `alert_rule` true to the PlanDefinitions and CarePlans that say so.

A PlanDefinition of the type `eca-rule` is in force for all patients, or for the members of the Group that is its
subject. One of the type `clinical-protocol` is so for the patients whose active CarePlan instantiates it, and one that
a CarePlan contains for that patient alone: who may write into a patient's record decides, as for all that is in it.

Rules are changed one transaction at a time, so that their stamps come in the order in which they are committed.

Spec: FHIR R4, hl7.org/fhir/R4/careplan-definitions.html#CarePlan.instantiatesCanonical
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from healix_fhir.care.alerts.activity import TYPE as ACTIVITY
from healix_fhir.care.alerts.activity import inlined, named_in
from healix_fhir.care.alerts.named import called, members
from healix_fhir.care.alerts.reading import is_rule, plan_of
from healix_fhir.care.alerts.stated import Stated, own_plans, period, shortened, statement
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode_stored

Json = dict[str, Any]
PLAN, CARE_PLAN, GROUP = "PlanDefinition", "CarePlan", "Group"
DEFINITIONS = frozenset({TYPE_ID[PLAN], TYPE_ID[ACTIVITY]})
LOCK = 0x616C657274
NAMING = "instantiatesCanonical"

PRESENT = """SELECT r.type, r.id, r.version, r.pat, r.body FROM resource r
             JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id) ON r.type = s.type AND r.id = s.id
             WHERE NOT r.deleted AND (r.type <> %s OR position(%s::bytea IN r.body) > 0)
             ORDER BY r.type, r.id"""


def keep(changed: Mapping[str, Iterable[str]]) -> Work[list[str]]:
    """Look anew at changed definitions, CarePlans and Groups, by type; returns the sources that were looked at."""
    asked = {(TYPE_ID[kind], id_) for kind in (PLAN, ACTIVITY, CARE_PLAN) for id_ in changed.get(kind, ())}
    groups = [f"{GROUP}/{id_}" for id_ in changed.get(GROUP, ())]
    if not (yield from _matters(asked, groups)):
        return []
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    present = yield from _present(asked)
    urls = [body["url"] for (kind, _), (_, _, body) in present.items() if kind in DEFINITIONS and "url" in body]
    before = yield Statement(
        "SELECT names FROM alert_rule WHERE source = ANY(%s)",
        ([f"{TYPE_NAME[kind]}/{id_}" for kind, id_ in asked if kind in DEFINITIONS],),
    )
    names = {*groups, *map(shortened, urls), *(name for (listed,) in before for name in listed)}
    rows = yield Statement("SELECT source FROM alert_rule WHERE names && %s::text[]", (list(names),))
    others = {(TYPE_ID[kind], id_) for (source,) in rows for kind, _, id_ in [source.partition("/")]} - asked
    if others:
        present |= yield from _present(others)
    return (yield from _write(asked | others, present))


def _matters(asked: set[tuple[int, str]], groups: Sequence[str]) -> Work[bool]:
    """Whether any of this is a rule, or was one: most CarePlans and Groups are none."""
    if any(kind in DEFINITIONS for kind, _ in asked):
        return True
    sources = [f"{TYPE_NAME[kind]}/{id_}" for kind, id_ in asked]
    rows = yield Statement(
        """SELECT FROM alert_rule WHERE source = ANY(%s) OR names && %s::text[]
           UNION ALL SELECT FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted
             AND position(%s::bytea IN body) > 0 LIMIT 1""",
        (sources, list(groups), TYPE_ID[CARE_PLAN], [id_ for _, id_ in asked], NAMING.encode()),
    )
    return bool(rows)


def _present(asked: Iterable[tuple[int, str]]) -> Work[dict[tuple[int, str], tuple[int, int | None, Json]]]:
    """Version, patient and content of what is there."""
    listed = sorted(asked)
    rows = yield Statement(
        PRESENT, ([kind for kind, _ in listed], [id_ for _, id_ in listed], TYPE_ID[CARE_PLAN], NAMING.encode())
    )
    return {(kind, id_): (version, pat, decode_stored(bytes(body))) for kind, id_, version, pat, body in rows}


def _write(
    asked: Iterable[tuple[int, str]], present: Mapping[tuple[int, str], tuple[int, int | None, Json]]
) -> Work[list[str]]:
    """Write down what each of these states now; what states nothing is kept as an end of what it stated."""
    canonicals = {
        name for (kind, _), (_, _, body) in present.items() if kind == TYPE_ID[CARE_PLAN] for name in _canonicals(body)
    }
    plans = yield from called(PLAN, canonicals)
    inside = (one for _, _, body in present.values() for one in (body, *body.get("contained", ())))
    activities = yield from called(ACTIVITY, named_in([*plans.values(), *inside]))
    stated: list[Stated] = []
    for kind, id_ in sorted(asked):
        source = f"{TYPE_NAME[kind]}/{id_}"
        found = present.get((kind, id_))
        if found is None:
            stated.append(Stated(source))
        elif kind == TYPE_ID[PLAN]:
            stated.append((yield from _plan(source, found[0], inlined(found[2], activities))))
        elif kind == TYPE_ID[ACTIVITY]:
            stated.append(Stated(source, found[0], names=_named(found[2])))
        else:
            stated.append(_care_plan(source, *found, plans, activities))
    yield statement(stated)
    return [one.source for one in stated]


def _canonicals(care_plan: Json) -> list[str]:
    return [name for name in care_plan.get(NAMING, ()) if name is not None and not name.startswith("#")]


def _plan(source: str, version: int, plan: Json) -> Work[Stated]:
    """What a PlanDefinition states by itself."""
    if not is_rule(plan):
        return Stated(source, version, names=_named(plan))
    title = plan.get("title") or plan.get("name") or source
    names = _named(plan)
    if plan.get("status") != "active":
        return Stated(source, version, title=title, names=names, problem=f"its status is {plan.get('status')}")
    starts, ends = period(plan.get("effectivePeriod"))
    try:
        read = plan_of(plan)
        pats = (yield from members(read.group)) if read.group is not None else None
    except HealixError as error:
        return Stated(source, version, title=title, names=names, problem=error.message)
    if read.group is not None:
        names = (*names, f"{GROUP}/{read.group}")
    if not read.general:
        pats = ()
    return Stated(source, version, [plan], pats, starts, ends, names, title)


def _named(definition: Json) -> tuple[str, ...]:
    """What a definition is called, and what it names."""
    own = [definition["url"]] if definition.get("url") else []
    return tuple(dict.fromkeys([*map(shortened, own), *_urls(named_in([definition]))]))


def _urls(canonicals: Iterable[str]) -> list[str]:
    return sorted({shortened(name.partition("|")[0]) for name in canonicals})


def _care_plan(
    source: str,
    version: int,
    pat: int | None,
    plan: Json,
    plans: Mapping[str, Json | None],
    activities: Mapping[str, Json | None],
) -> Stated:
    """What a CarePlan puts in force for its patient."""
    named = own_plans(plan, plans)
    rules = [inlined(one, activities) for one in named if isinstance(one, dict) and is_rule(one)]
    names = tuple(_urls([*_canonicals(plan), *named_in(rules)]))
    title = plan.get("title") or next((one.get("title") for one in rules if one.get("title")), None) or source
    problems = [one for one in named if isinstance(one, str)]
    if plan.get("status") != "active":
        return Stated(source, version, title=title, names=names, problem=f"its status is {plan.get('status')}")
    if pat is None:
        problems.append("its subject is no Patient of this server")
    for rule in rules:
        try:
            if rule.get("status") != "active":
                problems.append(f"the status of {rule.get('url', 'the contained rule')} is {rule.get('status')}")
            elif plan_of(rule).group is not None:
                problems.append("a rule that a CarePlan puts in force is for its patient, and for no Group")
        except HealixError as error:
            problems.append(error.message)
    if problems or not rules:
        return Stated(source, version, title=title, names=names, problem="; ".join(problems) or None)
    starts, ends = period(plan.get("period"))
    return Stated(source, version, rules, () if pat is None else (pat,), starts, ends, names, title)
