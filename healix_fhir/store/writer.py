"""Single writes of one web process: independent changes that arrive together share one transaction (group commit).

Each change is made or refused by itself. Changes that are not worked out yet are when their group leaves, in step
(kernel/in_step.py). When the database refuses the whole group, its members are tried again one by one, so that nobody
suffers from another's change; but not when it is lost, for it may have made them before. New resources alone, of nearly
all types, need no transaction block: one statement writes them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from psycopg import AsyncConnection
from psycopg import Error as DatabaseError
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun, atransaction, is_unanswered
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.in_step import Stages, in_step
from healix_fhir.store import known_texts
from healix_fhir.store.commit import Member, commit_each
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext
from smart_auth.patients import remember

LIMIT = 128
FLIGHTS = 2
COMPANY = 8

BY_SEVERAL = frozenset({"Appointment", "MedicationDispense", "RelatedPerson"})
"""Types whose rows are not all that is written with them."""

Asked = tuple[AccessContext, Change | Stages[Change]]
Outcome = Committed | HealixError | DatabaseError


class Writer:
    """Single changes over `pool`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._coalescer: Coalescer[Asked, Committed] = Coalescer(
            self._answer, limit=LIMIT, flights=FLIGHTS, company=COMPANY
        )

    def write(self, access: AccessContext, change: Change | Stages[Change]) -> Awaitable[Committed]:
        """Make one change; durable on return. Raises what its stages do, and `store.commit.commit`."""
        return self._coalescer.ask((access, change))

    async def _answer(self, asked: Sequence[Asked]) -> list[Committed | Exception]:
        made = _made([change for _, change in asked])
        outcomes: dict[int, Committed | Exception] = {
            n: one for n, one in enumerate(made) if isinstance(one, Exception)
        }
        members = {n: (asked[n][0], one) for n, one in enumerate(made) if isinstance(one, Change)}
        for group in _rounds(members):
            results = await self._group([members[n] for n in group])
            outcomes |= dict(zip(group, results, strict=True))
        return [outcomes[n] for n in range(len(asked))]

    async def _group(self, members: Sequence[Member]) -> Sequence[Outcome]:
        try:
            outcomes = await self._transact(members)
        except DatabaseError as error:
            if len(members) == 1 or is_unanswered(error):
                return [error] * len(members)
            return [outcome for member in members for outcome in await self._group([member])]
        remember({id_: key for done in outcomes if isinstance(done, Committed) for id_, key in done.patients})
        written = zip(members, outcomes, strict=True)
        known_texts.remember(
            change.rows for (_, change), done in written if isinstance(done, Committed) and done.changed
        )
        return outcomes

    async def _transact(self, members: Sequence[Member]) -> Sequence[Committed | HealixError]:
        if all(_needs_one_statement(change) for _, change in members):
            async with Lent(self._pool) as connection:
                return await arun(connection, commit_each(members))
        return await atransaction(self._pool, lambda: commit_each(members))


def _needs_one_statement(change: Change) -> bool:
    return change.method is Method.POST and not change.defines and change.type not in BY_SEVERAL


def _made(changes: Sequence[Change | Stages[Change]]) -> list[Change | Exception]:
    """The changes, in order, or why there is none."""
    made = iter(in_step([one for one in changes if not isinstance(one, Change)]))
    return [one if isinstance(one, Change) else next(made) for one in changes]


def _rounds(members: Mapping[int, Member]) -> list[list[int]]:
    """The members' numbers in groups in which no resource occurs twice, in order of arrival."""
    rounds: list[list[int]] = []
    seen: dict[tuple[str, str], int] = {}
    for n, (_, change) in members.items():
        turn = seen.get((change.type, change.id), 0)
        seen[change.type, change.id] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(n)
    return rounds
