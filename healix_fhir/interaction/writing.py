"""Writing for one web process: changes are reviewed, then made in groups, conditional interactions in transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from psycopg import AsyncConnection
from psycopg import Error as DatabaseError
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction.conditional import conditional
from healix_fhir.interaction.conditional_group import Outcome, conditional_each
from healix_fhir.interaction.definitions import Definitions
from healix_fhir.interaction.judging import Judging
from healix_fhir.interaction.result import Written
from healix_fhir.interaction.review import Demands, Review, Reviewer, unreviewed
from healix_fhir.interaction.settle import MULTIPLE, SINGLE
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.database import Row, atransaction, is_unanswered
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.in_step import Stages, whole
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Committed
from healix_fhir.store.writer import Writer
from smart_auth.access import AccessContext
from smart_auth.patients import remember

T = TypeVar("T")


class Writing:
    """Everything that writes, over `pool`; what it takes is as of `interaction.service.Interactions`."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Row]],
        bases: tuple[str, ...],
        wanted: Demands,
        *,
        delete_several: bool,
    ) -> None:
        self._pool = pool
        self._bases = bases
        self.delete_several = delete_several
        definitions = Definitions()
        self.judging = Judging(pool, definitions)
        self._reviewer = Reviewer(wanted, definitions)
        self._writer = Writer(pool)

    @property
    def most(self) -> int:
        """How many resources a conditional interaction may change."""
        return MULTIPLE if self.delete_several else SINGLE

    async def conditional(self, access: AccessContext, wanted: Wanted) -> list[Committed]:
        """Make a conditional interaction in a transaction of its own."""
        committed = await self.reviewed(
            access,
            lambda review: atransaction(
                self._pool,
                lambda: conditional(access, wanted, self._bases, self.most, review),
                aside=review is not unreviewed,
            ),
        )
        remember({id_: key for done in committed for id_, key in done.patients})
        return committed

    async def one(self, access: AccessContext, wanted: Wanted) -> Written:
        """Make a conditional interaction that writes one resource."""
        (done,) = await self.conditional(access, wanted)
        assert done.stored is not None
        return Written(done.stored, done.created, done.changed)

    async def write(self, access: AccessContext, made: Change | Stages[Change]) -> Written:
        """Make a change that leaves a resource. Raises what its stages do."""
        done = await self.commit(access, made)
        assert done.stored is not None
        return Written(done.stored, done.created, done.changed)

    async def commit(self, access: AccessContext, made: Change | Stages[Change]) -> Committed:
        """Make a change. Raises what its stages do."""
        review = self._reviewer.review(access)
        if review is unreviewed:
            return await self._writer.write(access, made)
        change = made if isinstance(made, Change) else whole(made)
        return await self.judging.run(lambda: self._commit_reviewed(access, change, review))

    async def _commit_reviewed(self, access: AccessContext, change: Change, review: Review) -> Committed:
        passed = await asyncio.to_thread(review, change)
        if passed.patch is None:
            return await self._writer.write(access, passed)
        # what a patch makes is reviewed while it is locked: not in the writer's group, which would wait for it
        (done,) = await atransaction(self._pool, lambda: commit(access, [passed]), aside=True)
        remember(dict(done.patients))
        return done

    async def reviewed(self, access: AccessContext, write: Callable[[Review], Awaitable[T]]) -> T:
        """Write what passes the review, with the definitions at hand that the review needs."""
        review = self._reviewer.review(access)
        if review is unreviewed:
            return await write(review)
        return await self.judging.run(lambda: write(review))

    async def conditional_each(self, access: AccessContext, group: Sequence[Wanted]) -> Sequence[Outcome]:
        """Make several conditional interactions in one transaction; None for those that must be tried by themselves."""
        try:
            outcomes = await self.reviewed(
                access,
                lambda review: atransaction(
                    self._pool,
                    lambda: conditional_each(access, group, self._bases, self.most, review),
                    aside=review is not unreviewed,
                ),
            )
        except DatabaseError as error:
            if is_unanswered(error):
                raise
            return [None] * len(group)  # it hits all of the group: each is tried by itself
        except HealixError:
            return [None] * len(group)
        remember({id_: key for done in outcomes if isinstance(done, list) for one in done for id_, key in one.patients})
        return outcomes
