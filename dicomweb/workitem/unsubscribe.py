"""Unsubscribe and Suspend Global Subscription: the one service behind UPS-RS and N-ACTION 4 and 5.

Spec: PS3.18 11.11 and 11.12, PS3.4 CC.2.3 and Table CC.2.3-2 (2024d)
"""

from __future__ import annotations

from dicomweb.workitem.announce import JOINING
from dicomweb.workitem.rows import audited, find, visible
from dicomweb.workitem.subscribers import known
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


def unsubscribe(access: AccessContext, uid: str, aet: str) -> Work[None]:
    """Let `aet` hear of one item no more, and release its lock. Raises NotFound, Forbidden."""
    item = yield from find(access, Permission.READ, uid, lock=True)
    if not (yield from known(access, aet)):
        raise _missing()
    rows = yield Statement(
        "DELETE FROM workitem_subscription WHERE workitem = %s AND aet = %s RETURNING workitem", (item.pk, aet)
    )
    if not rows:
        raise _missing()
    yield audited(access, "D", "workitem-unsubscribe", item)


def unsubscribe_globally(access: AccessContext, aet: str) -> Work[None]:
    """Let `aet` hear of nothing more, and release all its locks. Raises NotFound, Forbidden."""
    visible(access, Permission.SEARCH)
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (JOINING,))
    if not (yield from known(access, aet)):
        raise _missing()
    rows = yield Statement(
        """WITH gone AS (DELETE FROM workitem_subscription WHERE aet = %s RETURNING workitem),
                before AS (SELECT locking FROM workitem_subscriber WHERE aet = %s),
                ended AS (UPDATE workitem_subscriber SET locking = NULL, filter = NULL WHERE aet = %s)
           SELECT EXISTS (SELECT FROM gone) OR EXISTS (SELECT FROM before WHERE locking IS NOT NULL)""",
        (aet, aet, aet),
    )
    if not rows[0][0]:
        raise _missing()
    yield record([AuditRow(access.origin, "D", "workitem-unsubscribe", entity=aet)])


def suspend(access: AccessContext, aet: str) -> Work[None]:
    """Subscribe `aet` to no further new items; what it hears of stays. Raises NotFound, Forbidden."""
    visible(access, Permission.SEARCH)
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (JOINING,))
    if not (yield from known(access, aet)):
        raise _missing()
    rows = yield Statement(
        """UPDATE workitem_subscriber SET locking = NULL, filter = NULL
           WHERE aet = %s AND locking IS NOT NULL RETURNING aet""",
        (aet,),
    )
    if not rows:
        raise _missing()
    yield record([AuditRow(access.origin, "D", "workitem-suspend", entity=aet)])


def _missing() -> HealixError:
    return not_found("there is no such subscription")
