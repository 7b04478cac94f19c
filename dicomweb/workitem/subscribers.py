"""AE titles as subscribers. That of a known peer belongs to the peer, another one to the app and person that use it
first; who sees the whole worklist may subscribe any title, as systems do on behalf of others.

Spec: PS3.4 CC.2.3.2 (2024d)
"""

from __future__ import annotations

import re

from dicomweb.workitem.called import PEER
from dicomweb.workitem.rows import TYPE, visible
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
"""Spec: PS3.5 6.2, AE (2024d)"""
MOST_TITLES = 100
"""Titles of one app and person."""


def title(text: str) -> str:
    """An AE title. Raises Invalid."""
    found = text.strip(" ")
    if not TITLE.fullmatch(found):
        raise invalid("the subscriber is no AE title: 1 to 16 printable characters without a backslash", code="value")
    return found


def sees_all(access: AccessContext) -> bool:
    """Whether a caller reads every item."""
    return access.sees_all(TYPE, Permission.READ)


def take(access: AccessContext, aet: str) -> Work[int]:
    """Use a title, as its first user or as one who may; the number of the last event that it was told.

    Raises Forbidden for the title of somebody else, Busy for a further one of who has too many.
    """
    visible(access, Permission.READ)
    origin = access.origin
    rows = yield Statement(
        """WITH mine AS (
             SELECT count(*) AS titles FROM workitem_subscriber s
             WHERE s.client IS NOT DISTINCT FROM %(client)s AND s.account IS NOT DISTINCT FROM %(account)s),
           made AS (
             INSERT INTO workitem_subscriber (aet, client, account)
             SELECT %(aet)s, %(client)s, %(account)s FROM mine WHERE mine.titles < %(most)s
             ON CONFLICT (aet) DO NOTHING RETURNING seen),
           used AS (
             SELECT seen, TRUE AS own FROM made
             UNION ALL
             SELECT s.seen, s.client IS NOT DISTINCT FROM %(client)s AND s.account IS NOT DISTINCT FROM %(account)s
             FROM workitem_subscriber s WHERE s.aet = %(aet)s)
           SELECT seen, own AND NOT EXISTS (SELECT FROM dimse_peer p WHERE p.aet = %(aet)s) FROM used""",
        {"aet": aet, "client": origin.client, "account": origin.account, "most": MOST_TITLES},
    )
    if not rows:
        raise HealixError(Category.BUSY, f"an app may use at most {MOST_TITLES} AE titles", retry_after=3600)
    seen, own = rows[0]
    if not own and not sees_all(access):
        raise forbidden("the AE title belongs to another subscriber")
    return int(seen)


def known(access: AccessContext, aet: str) -> Work[bool]:
    """Whether a title is used at all, by the caller or by somebody whose title the caller may use.

    Raises Forbidden for the title of somebody else.
    """
    visible(access, Permission.READ)
    origin = access.origin
    rows = yield Statement(
        """SELECT s.client IS NOT DISTINCT FROM %s AND s.account IS NOT DISTINCT FROM %s
             AND NOT EXISTS (SELECT FROM dimse_peer p WHERE p.aet = s.aet)
           FROM workitem_subscriber s WHERE s.aet = %s FOR UPDATE OF s""",
        (origin.client, origin.account, aet),
    )
    if rows and not rows[0][0] and not sees_all(access):
        raise forbidden("the AE title belongs to another subscriber")
    return bool(rows)


def can_be_told(access: AccessContext, aet: str) -> Work[bool]:
    """Whether there is a way to a title: a peer that may use the worklist, or one that has subscribed before."""
    visible(access, Permission.READ)
    rows = yield Statement(
        f"SELECT EXISTS (SELECT {PEER}) OR EXISTS (SELECT FROM workitem_subscriber s WHERE s.aet = %s)", ([aet], aet)
    )
    return bool(rows[0][0])
