"""Subscribe: to one item, to the worklist, or to what of it matches; the one service behind UPS-RS and N-ACTION 3.

Spec: PS3.18 11.10, PS3.4 CC.2.3 and Table CC.2.3-2 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.index.naming import is_creator
from dicomweb.workitem.announce import JOINING, announce, in_order
from dicomweb.workitem.matching import conditions, path_of
from dicomweb.workitem.reports import of_creation, state_report
from dicomweb.workitem.rows import Workitem, audited, find, visible
from dicomweb.workitem.status import Success
from dicomweb.workitem.subscribers import sees_all, take
from healix_fhir.kernel import arrays
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.conditions import EVERYTHING, all_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Pairs = Sequence[tuple[str, str]]
"""Matching keys as a caller names them."""

MOST_FILTERS = 200
"""Filtered subscriptions of all together: each is looked at whenever an item is created."""


def subscribe(access: AccessContext, uid: str, aet: str, *, lock: bool) -> Work[Success]:
    """Let `aet` hear of one item, of whose state it is told at once. Raises NotFound, Forbidden."""
    item = yield from find(access, Permission.READ, uid, lock=True)
    yield from take(access, aet)
    granted = lock and (sees_all(access) or access.practitioner is not None)
    yield Statement(
        """INSERT INTO workitem_subscription (workitem, aet, locked) VALUES (%s, %s, %s)
           ON CONFLICT (workitem, aet) DO UPDATE SET locked = excluded.locked""",
        (item.pk, aet, granted),
    )
    yield audited(access, "C", "workitem-subscribe", item)
    yield in_order()
    yield from announce([aet], [(item.pk, state_report(item.uid, item.dataset))])
    return Success.DONE if granted == lock else Success.LOCK_NOT_GRANTED


_JOIN = """
WITH joined AS MATERIALIZED (
       SELECT w.pk, w.uid, CASE WHEN %s THEN w.dataset END AS dataset FROM workitem w
       WHERE w.dataset IS NOT NULL AND {condition}
         AND NOT EXISTS (SELECT FROM workitem_subscription s WHERE s.workitem = w.pk AND s.aet = %s)
       ORDER BY w.pk FOR NO KEY UPDATE OF w),
     written AS (
       INSERT INTO workitem_subscription (workitem, aet, locked) SELECT j.pk, %s, %s FROM joined j)
SELECT j.pk, j.uid, j.dataset FROM joined j ORDER BY j.pk"""


def subscribe_globally(access: AccessContext, aet: str, *, lock: bool, keys: Pairs | None = None) -> Work[Success]:
    """Let `aet` hear of all items that the caller may see, those to come too; with `keys`, of those that match.

    A deletion lock is granted to who sees the whole worklist: others would lock what they can never release. With it
    the state of each item is told at once. Raises Forbidden, Invalid.
    """
    seen = visible(access, Permission.SEARCH)
    asked = filtered(keys) if keys is not None else EVERYTHING
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (JOINING,))
    yield from take(access, aet)
    if keys is not None:
        yield from _room(aet)
    granted = lock and sees_all(access)
    yield Statement(
        "UPDATE workitem_subscriber SET locking = %s, filter = %s WHERE aet = %s",
        (granted, None if keys is None else msgspec.json.encode(list(keys)), aet),
    )
    condition = all_of([seen, asked])
    rows = yield Statement(
        _JOIN.format(condition=condition.sql), (granted, *condition.params, aet, aet, granted), prepare=False
    )
    named = None if keys is None else "&".join(f"{name}={value}" for name, value in keys).replace("\0", "")
    yield record([AuditRow(access.origin, "C", "workitem-subscribe", entity=aet, query=named)])
    if granted:
        yield in_order()
        yield from announce([aet], [(pk, state_report(uid, msgspec.json.decode(dataset))) for pk, uid, dataset in rows])
    return Success.DONE if granted == lock else Success.LOCK_NOT_GRANTED


def _room(aet: str) -> Work[None]:
    rows = yield Statement("SELECT count(*) FROM workitem_subscriber WHERE filter IS NOT NULL AND aet <> %s", (aet,))
    if rows[0][0] >= MOST_FILTERS:
        raise HealixError(Category.BUSY, f"there are {MOST_FILTERS} filtered subscriptions", retry_after=3600)


def filtered(keys: Pairs) -> Fragment:
    """The condition on the rows `w` that matching keys are. Raises Invalid also where none has a value."""
    creators = {name.upper(): value for name, value in keys if is_creator(name)}
    named = [(path_of(name, creators), value) for name, value in keys if not is_creator(name)]
    found = conditions(named, fuzzy=False)
    if not found:
        raise invalid("a filtered subscription needs a filter: attribute=value", code="required")
    return all_of(found)


def join_new(pk: int, dataset: DataSet) -> Work[list[str]]:
    """Subscribe those who subscribe to the worklist to a new item, and say who they are.

    The caller's transaction holds `JOINING` shared.
    """
    rows = yield Statement("SELECT aet, locking, filter FROM workitem_subscriber WHERE locking IS NOT NULL")
    if not rows:
        return []
    matching = yield from _matching(pk, [(aet, keys) for aet, _, keys in rows if keys is not None])
    joining = [(aet, locking) for aet, locking, keys in rows if keys is None or aet in matching]
    if joining:
        yield Statement(
            "INSERT INTO workitem_subscription (workitem, aet, locked) SELECT %s, x.aet, x.locked"
            " FROM unnest(%s::text[], %s::smallint[]::int[]::bool[]) AS x (aet, locked)",
            (pk, arrays.text(aet for aet, _ in joining), arrays.int2(int(locking) for _, locking in joining)),
        )
    return sorted(aet for aet, _ in joining)


def _matching(pk: int, filters: Sequence[tuple[str, bytes]]) -> Work[set[str]]:
    """Whose filters a new item matches; one statement."""
    if not filters:
        return set()
    arms, params = [], []
    for aet, keys in filters:
        condition = filtered(msgspec.json.decode(keys, type=list[tuple[str, str]]))
        arms.append(f"SELECT %s::text FROM workitem w WHERE w.pk = %s AND {condition.sql}")
        params += [aet, pk, *condition.params]
    rows = yield Statement(" UNION ALL ".join(arms), tuple(params), prepare=False)
    return {aet for (aet,) in rows}


def told_of_creation(item: Workitem) -> Work[None]:
    """Subscribe whoever subscribes to the worklist to a new item, and tell them of it."""
    receivers = yield from join_new(item.pk, item.dataset)
    if receivers:
        yield in_order()
        yield from announce(receivers, [(item.pk, report) for report in of_creation(item.uid, item.dataset)])
