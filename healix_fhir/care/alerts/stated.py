"""What a resource states about alert rules, as a row of `alert_rule`.

Spec: FHIR R4, hl7.org/fhir/R4/references.html#canonical, #contained
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.kernel.database import Statement
from healix_fhir.model.json import encode
from healix_fhir.search.dates import interval

Json = dict[str, Any]
LONGEST_NAME = 500
"""Characters of a name that the index holds."""


class Stated(msgspec.Struct, frozen=True):
    """What `source` (Type/id) states: `plans` for the patients `pats` (None: all), or the `problem` with them.

    `names` are the canonicals and Groups that would change it. Without plans nothing is in force.
    """

    source: str
    version: int = 0
    plans: Sequence[Json] = ()
    pats: Sequence[int] | None = ()
    starts: datetime | None = None
    ends: datetime | None = None
    names: tuple[str, ...] = ()
    title: str = ""
    problem: str | None = None


def shortened(name: str) -> str:
    """A canonical as it is among `names`: those that begin alike change each other, which costs a look too many."""
    return name[:LONGEST_NAME]


def statement(stated: Sequence[Stated]) -> Statement:
    """Write these down, each with a stamp of its own."""
    return Statement(
        """INSERT INTO alert_rule AS a
             (source, version, stamp, plans, pats, starts, ends, names, title, problem)
           SELECT x.source, x.version, nextval('alert_rule_stamp'), x.plans,
                  CASE WHEN x.everyone THEN NULL ELSE string_to_array(x.pats, ' ')::bigint[] END,
                  x.starts, x.ends, string_to_array(x.names, ' '), x.title, x.problem
           FROM unnest(%s::text[], %s::int[], %s::bytea[], %s::bool[], %s::text[], %s::timestamptz[],
                       %s::timestamptz[], %s::text[], %s::text[], %s::text[])
             AS x (source, version, plans, everyone, pats, starts, ends, names, title, problem)
           ORDER BY x.source
           ON CONFLICT (source) DO UPDATE SET version = excluded.version, stamp = excluded.stamp,
             plans = excluded.plans, pats = excluded.pats, starts = excluded.starts, ends = excluded.ends,
             names = excluded.names, title = excluded.title, problem = excluded.problem, failure = NULL""",
        (
            [one.source for one in stated],
            [one.version for one in stated],
            [encode(list(one.plans)) if one.plans else b"" for one in stated],
            [one.pats is None for one in stated],
            [" ".join(map(str, one.pats or ())) for one in stated],
            [one.starts for one in stated],
            [one.ends for one in stated],
            [" ".join(one.names) for one in stated],
            [one.title for one in stated],
            [one.problem for one in stated],
        ),
    )


def period(given: Json | None) -> tuple[datetime | None, datetime | None]:
    """The first instant of a Period and the first after it; None is open. One that ends on a day ends with that day."""
    starts, ends = (interval((given or {}).get(name, "")) for name in ("start", "end"))
    return (starts[0] if starts else None), (ends[1] if ends else None)


def own_plans(care_plan: Json, called: Mapping[str, Json | None]) -> list[Json | str]:
    """The PlanDefinitions that a CarePlan instantiates, contained ones and others, or why one is not there."""
    inside = {f"#{one.get('id')}": one for one in care_plan.get("contained", ())}
    found: list[Json | str] = []
    for name in care_plan.get("instantiatesCanonical", ()):
        if name is None:  # the value is missing, and an extension tells why
            continue
        plan = inside.get(name) if name.startswith("#") else called.get(name)
        if plan is None:
            found.append(f"there is no PlanDefinition {name}")
        elif plan.get("resourceType") == "PlanDefinition":
            found.append(plan)
    return found
