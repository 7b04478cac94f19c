"""The events of subscriptions as they are told: looked at anew with the access of who is told, each time.

What can be seen no more (deleted, or closed meanwhile) keeps its number, and nothing else is said of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.subscription.seen import Asked, Shown, seen
from smart_auth.access import AccessContext

AFTER = """SELECT x.id, e.number, e.type, e.id, e.created, e.at
           FROM unnest(%s::text[], %s::bigint[], %s::int[]) AS x (id, after, most)
           CROSS JOIN LATERAL (SELECT * FROM subscription_event e WHERE e.subscription = x.id AND e.number > x.after
                               ORDER BY e.number LIMIT x.most) e
           ORDER BY x.id, e.number"""

SIZES = """SELECT x.n, octet_length(r.body) FROM unnest(%s::int[], %s::smallint[], %s::text[]) AS x (n, type, id)
           JOIN resource r ON r.type = x.type AND r.id = x.id"""
MOST_BYTES = 8 * 1024 * 1024
"""Of resources that are read at once; one resource of each reader is read however large it is."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event; `shown` is its resource as it is now, None where it is not seen."""

    number: int
    type: str
    id: str
    created: bool
    at: datetime
    shown: Shown | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who is told the events of a subscription after a number, `most` of them at once."""

    access: AccessContext
    subscription: str
    after: int
    most: int
    full: bool


def read_events(readers: Sequence[Reader]) -> Work[list[list[Told]]]:
    """The next events of each, in order: fewer than `most` where their resources are large.

    Three statements at most, however many there are.
    """
    rows = yield Statement(
        AFTER,
        (
            [one.subscription for one in readers],
            arrays.int8(one.after for one in readers),
            arrays.int4(one.most for one in readers),
        ),
    )
    by: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by[row[0]].append(row)
    yield from _bound([by[one.subscription] for one in readers if one.full])
    asked = [Asked(one.access, row[2], row[3], one.full) for one in readers for row in by.get(one.subscription, ())]
    shown = (yield from seen(asked)) if asked else {}
    told, place = [], 0
    for one in readers:
        events = []
        for _, number, type_name, id_, created, at in by.get(one.subscription, ()):
            events.append(Told(number, type_name, id_, created, at, shown.get(place)))
            place += 1
        told.append(events)
    return told


def _bound(several: Sequence[list[Row]]) -> Work[None]:
    """Leave out the last events of each whose resources would be read beyond what is read at once."""
    rows = [row for one in several for row in one]
    if not rows:
        return
    sizes = yield Statement(
        SIZES,
        (arrays.int4(range(len(rows))), arrays.int2(TYPE_ID[row[2]] for row in rows), [row[3] for row in rows]),
    )
    size: dict[int, int] = dict(sizes)
    place = total = 0
    for one in several:
        count = len(one)
        for n in range(count):
            total += size.get(place + n, 0)
            if n and total > MOST_BYTES:
                del one[n:]
                break
        place += count
