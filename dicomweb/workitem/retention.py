"""How long workitems and events are kept, and what is told when the server starts.

Spec: PS3.4 CC.2.1.3 and CC.2.4.3 (2024d)
"""

from __future__ import annotations

from datetime import timedelta

from dicomweb.workitem.announce import announce, in_order
from dicomweb.workitem.called import WAITING
from dicomweb.workitem.reports import restarted
from healix_fhir.kernel.database import Statement, Work

EVENTS_KEPT = timedelta(hours=1)
AT_ONCE = 1000


def sweep(days: int) -> Work[int]:
    """Remove what has ended `days` ago, is locked by no subscriber and of which all peers were told (0: nothing); how
    many of them.

    That an item was there stays known, so that it is answered as gone and its UID is not used again.
    """
    yield Statement(
        f"DELETE FROM workitem_event e WHERE e.made < now() - %s::interval AND NOT {WAITING}", (EVENTS_KEPT,)
    )
    if not days:
        return 0
    rows = yield Statement(
        f"""WITH over AS MATERIALIZED (
             SELECT w.pk FROM workitem w
             WHERE w.state IN ('COMPLETED', 'CANCELED') AND w.dataset IS NOT NULL
               AND w.updated < now() - make_interval(days => %s)
               AND NOT EXISTS (SELECT FROM workitem_subscription s WHERE s.workitem = w.pk AND s.locked)
               AND NOT EXISTS (SELECT FROM workitem_event e WHERE e.workitem = w.pk AND {WAITING})
             ORDER BY w.pk LIMIT %s FOR NO KEY UPDATE OF w SKIP LOCKED),
           emptied AS (
             UPDATE workitem SET dataset = NULL, transaction_uid = NULL, patient_id = '', issuer = '', marks = '{{}}'
             WHERE pk IN (SELECT pk FROM over)),
           keys AS (DELETE FROM workitem_key WHERE workitem IN (SELECT pk FROM over)),
           subscriptions AS (DELETE FROM workitem_subscription WHERE workitem IN (SELECT pk FROM over)),
           events AS (DELETE FROM workitem_event WHERE workitem IN (SELECT pk FROM over))
           SELECT count(*) FROM over""",
        (days, AT_ONCE),
    )
    return int(rows[0][0])


def tell_of_restart() -> Work[None]:
    """Tell every subscriber that the server has started again."""
    yield in_order()
    rows = yield Statement(
        """SELECT s.aet FROM workitem_subscriber s
           WHERE s.locking IS NOT NULL OR EXISTS (SELECT FROM workitem_subscription i WHERE i.aet = s.aet)"""
    )
    yield from announce(sorted(aet for (aet,) in rows), [(None, restarted())])
