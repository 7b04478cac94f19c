"""Keeps whose resources are that belong to who wrote them (smart_auth/owned.py), in the transaction that writes them.

What a system writes over, or takes away, is nobody's any more: it acts with the system's access from then on. The
server's own steps (`Change.operation`) leave it as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store.decide import New, Same
from healix_fhir.store.lock import PERMISSION
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext
from smart_auth.owned import OWNED_TYPES, Owner

MOST = 20
"""Resources of a type that one person may own, through all apps together."""


def own(members: Sequence[tuple[AccessContext, Change]], decisions: list[New | Same | HealixError]) -> Work[None]:
    """Note the owners of what is new, refuse what is too many, and forget those of what is no longer theirs."""
    new: dict[int, Owner] = {}
    ended: list[tuple[int, str]] = []
    for n, (access, change) in enumerate(members):
        decision = decisions[n]
        if change.type not in OWNED_TYPES or not isinstance(decision, New):
            continue
        owner = access.owner(change.type, PERMISSION[change.method])
        if owner is not None and decision.created:
            new[n] = owner
        elif change.method is Method.DELETE or (owner is None and not change.operation):
            ended.append((TYPE_ID[change.type], change.id))
    if new:
        yield from _begin(members, decisions, new)
    if ended:
        yield Statement(
            """DELETE FROM owned o USING unnest(%s::int[], %s::text[]) AS x (type, id)
               WHERE o.type = x.type AND o.id = x.id""",
            ([number for number, _ in ended], [id_ for _, id_ in ended]),
        )


def _begin(
    members: Sequence[tuple[AccessContext, Change]], decisions: list[New | Same | HealixError], new: dict[int, Owner]
) -> Work[None]:
    accounts = sorted({owner.account for owner in new.values()})
    # who owns more at the same time counts after this
    yield Statement("SELECT FROM account WHERE username = ANY(%s) ORDER BY username FOR NO KEY UPDATE", (accounts,))
    rows = yield Statement("SELECT account, count(*) FROM owned WHERE account = ANY(%s) GROUP BY account", (accounts,))
    count: Counter[str] = Counter(dict(rows))
    kept: list[tuple[Change, Owner]] = []
    for n, owner in new.items():
        if count[owner.account] >= MOST:
            message = f"a person has at most {MOST} of these, through all apps together"
            decisions[n] = HealixError(Category.UNPROCESSABLE, message, code="too-costly")
        else:
            count[owner.account] += 1
            kept.append((members[n][1], owner))
    yield Statement(
        """INSERT INTO owned (type, id, account, client, patient)
           SELECT * FROM unnest(%s::smallint[], %s::text[], %s::text[], %s::text[], %s::text[])
           ON CONFLICT (type, id) DO UPDATE SET account = excluded.account, client = excluded.client,
             patient = excluded.patient""",
        (
            [TYPE_ID[change.type] for change, _ in kept],
            [change.id for change, _ in kept],
            [owner.account for _, owner in kept],
            [owner.client for _, owner in kept],
            [owner.patient for _, owner in kept],
        ),
    )
