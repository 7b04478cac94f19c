"""Events: written in the transaction of what they tell of, and announced to whoever delivers them.

Whoever writes an event holds a lock until its transaction ends, so that events become visible in the order of their
numbers: one number says what a subscriber has got. Deliverers are woken by a notification that names the receivers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dicomweb.workitem.called import call
from dicomweb.workitem.reports import Report
from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.hashing import key64

CHANNEL = "healix_workitem"
"""Notified with the AE titles that are told something, parted by backslashes, or with nothing: any may be."""

ORDER = key64("order of workitem events")
JOINING = key64("global subscriptions to workitems")
LONGEST = 7000
"""Bytes of a notification; PostgreSQL takes 8000."""


def subscribers(pk: int) -> Work[list[str]]:
    """Who hears of an item; from here on to the end of the transaction no other event gets a number."""
    rows = yield Statement(
        "SELECT s.aet, pg_advisory_xact_lock(%s)::text FROM workitem_subscription s WHERE s.workitem = %s",
        (ORDER, pk),
    )
    return sorted({aet for aet, _ in rows})


def in_order() -> Statement:
    """From here on to the end of the transaction no other event gets a number."""
    return Statement("SELECT pg_advisory_xact_lock(%s)", (ORDER,))


def announce(receivers: Sequence[str], told: Sequence[tuple[int | None, Report]]) -> Work[None]:
    """Write reports, each about the item with a key (None: about the server), for `receivers`.

    The transaction holds the lock of `subscribers` or `in_order`.
    """
    if not receivers or not told:
        return
    yield Statement(
        """WITH written AS (
             INSERT INTO workitem_event (workitem, type, receivers, report)
             SELECT x.workitem, x.type, %s::text[], x.report
             FROM unnest(%s::bigint[], %s::smallint[], %s::bytea[]) WITH ORDINALITY AS x (workitem, type, report, n)
             ORDER BY x.n)
           SELECT pg_notify(%s, %s)""",
        (
            list(receivers), arrays.int8(pk for pk, _ in told), arrays.int2(int(report.event) for _, report in told),
            arrays.bytea(msgspec.json.encode(report.content) for _, report in told), CHANNEL, named(receivers),
        ),
    )  # fmt: skip
    yield from call(receivers)


def tell(pk: int, reports: Sequence[Report]) -> Work[None]:
    """Write reports for whoever is subscribed to an item."""
    if reports:
        yield from announce((yield from subscribers(pk)), [(pk, report) for report in reports])


def named(receivers: Sequence[str]) -> str:
    """The content of a notification."""
    joined = "\\".join(receivers)
    return joined if len(joined) <= LONGEST else ""
