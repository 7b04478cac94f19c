"""The interactions over one asynchronous pool: what the HTTP edge calls, one instance for each web process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction import answer
from healix_fhir.interaction.advice import Adviser
from healix_fhir.interaction.answer import Manner
from healix_fhir.interaction.batch import batch
from healix_fhir.interaction.bundle import Parcel, all_of, at_entry, open_bundle, openings
from healix_fhir.interaction.capabilities import NO_URIS, Offered, capabilities
from healix_fhir.interaction.conditional import create_if_none, delete_where, patch_where, update_where
from healix_fhir.interaction.create import create
from healix_fhir.interaction.delete import delete
from healix_fhir.interaction.denial import of_entry
from healix_fhir.interaction.entry import is_operation
from healix_fhir.interaction.history import Historian
from healix_fhir.interaction.patch import patch, steps
from healix_fhir.interaction.read import read
from healix_fhir.interaction.result import Entry, Page, Return, Stored, Written
from healix_fhir.interaction.review import NO_DEMANDS, Demands, unreviewed
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.settle import change_of, settle
from healix_fhir.interaction.transaction import transaction
from healix_fhir.interaction.update import update
from healix_fhir.interaction.vread import vread
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.interaction.writing import Writing
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.in_step import Stages, whole
from healix_fhir.kernel.standby import Standby
from healix_fhir.search.match import Match
from healix_fhir.search.searched import Searched
from healix_fhir.store.keys import server_key
from healix_fhir.store.reader import Reader
from healix_fhir.store.stored import Change
from smart_auth.access import AccessContext
from smart_auth.break_glass import DEFAULT, Terms
from smart_auth.patients import remember

T = TypeVar("T")
SEARCH_SECONDS = 10.0
SMALL = 16 * 1024
"""Up to here resources are made in step with those that are written with them (kernel/in_step.py)."""
LARGE = 256 * 1024
"""Bodies above this are parsed in a thread, so that the event loop goes on serving others."""


TRANSACTIONS = 4
"""So many entries of one batch may have a transaction of their own, or run an operation, at once."""


class Interactions:
    """Every verb of the FHIR API. `bases` are this server's FHIR base URLs, the one it names in answers first.

    `delete_several` lets a conditional delete delete all that it matches; `wanted` is what resources must meet. A
    search is stopped after `search_seconds`. `oauth_uris` are the addresses of the OAuth server by name, `glass` the
    terms of break-glass. Imports may fetch from private networks where it `fetches_private`. `zone` is the clinic's.
    `adviser` asks services outside what they say of orders; None where none is set up. Searches, histories and
    operations that only look up, also in batches, are read on the `standby` where there is one.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Row]],
        bases: tuple[str, ...],
        *,
        delete_several: bool = False,
        wanted: Demands = NO_DEMANDS,
        search_seconds: float = SEARCH_SECONDS,
        oauth_uris: Mapping[str, str] = NO_URIS,
        glass: Terms = DEFAULT,
        fetches_private: bool = False,
        zone: tzinfo = UTC,
        adviser: Adviser | None = None,
        standby: Standby | None = None,
    ) -> None:
        self.pool = pool
        self.standby = standby
        self.zone = zone
        self.search_seconds = search_seconds
        self.bases = bases
        self.glass = glass
        self.fetches_private = fetches_private
        self.adviser = adviser
        self._oauth_uris = oauth_uris
        self.writing = Writing(pool, bases, wanted, delete_several=delete_several)
        self.judging = self.writing.judging
        self._reader = Reader(pool)
        self._found: Finder | None = None

    async def read(self, access: AccessContext, type_name: str, id_: str) -> Stored:
        """The current version. NotFound when there is none that the caller may see, Gone when it is deleted."""
        ask = read(access, type_name, id_)
        if type_name == AUDIT_EVENT:
            trail = (await self.finder()).trail
            return await self._run(lambda: trail.read(access, id_))
        return await self._reader.read(ask.access, ask.type, ask.id)

    async def vread(self, access: AccessContext, type_name: str, id_: str, version: str) -> Stored:
        """One version by number; answers like `read`."""
        return await self._run(lambda: vread(access, type_name, id_, version))

    async def create(
        self, access: AccessContext, type_name: str, body: bytes, if_none_exist: str | None = None
    ) -> Written:
        """Store a new resource under an id that the server makes; or give the one that `if_none_exist` matches."""
        if if_none_exist is None:
            made = create(access, type_name, body, self.bases)
            return await self.writing.write(access, await _begun(body, made))
        return await self.writing.one(access, create_if_none(access, type_name, body, if_none_exist))

    async def update(
        self,
        access: AccessContext,
        type_name: str,
        id_: str,
        body: bytes,
        if_match: int | None = None,
        *,
        only_new: bool = False,
    ) -> Written:
        """Store a new version, or a new resource under the caller's id.

        PreconditionFailed against `if_match`, or with `only_new` when there is a resource already.
        """
        made = update(access, type_name, id_, body, self.bases, if_match, only_new=only_new)
        return await self.writing.write(access, await _begun(body, made))

    async def update_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        body: bytes,
        if_match: int | None = None,
        *,
        only_new: bool = False,
    ) -> Written:
        """Update the one resource that matches, or create one."""
        wanted = update_where(access, type_name, params, body, if_match, only_new=only_new)
        return await self.writing.one(access, wanted)

    async def patch(
        self, access: AccessContext, type_name: str, id_: str, body: bytes, media_type: str, if_match: int | None = None
    ) -> Written:
        """Make a new version of the current one by a patch document of `media_type`."""
        made = patch(access, type_name, id_, lambda: steps(body, media_type), self.bases, if_match)
        return await self.writing.write(access, made)

    async def patch_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        body: bytes,
        media_type: str,
        if_match: int | None = None,
    ) -> Written:
        """Patch the one resource that matches."""
        wanted = patch_where(access, type_name, params, lambda: steps(body, media_type), if_match)
        return await self.writing.one(access, wanted)

    async def delete_where(
        self,
        access: AccessContext,
        type_name: str,
        params: Sequence[tuple[str, str]],
        if_match: int | None = None,
    ) -> list[Stored]:
        """Delete what matches: the versions of the deletions."""
        wanted = delete_where(access, type_name, params, if_match)
        return [done.stored for done in await self.writing.conditional(access, wanted) if done.stored is not None]

    async def delete(
        self, access: AccessContext, type_name: str, id_: str, if_match: int | None = None
    ) -> Stored | None:
        """Delete; the deletion's version, or None when there was nothing to delete that the caller may see."""
        done = await self.writing.commit(access, delete(access, type_name, id_, if_match))
        return done.stored

    async def history(
        self,
        access: AccessContext,
        type_name: str | None,
        id_: str | None,
        params: Sequence[tuple[str, str]],
        *,
        strict: bool = False,
    ) -> Page:
        """The versions of one resource, of a type (without id), or of everything (without type), newest first."""
        historian = Historian(self.bases[0], (await self.finder()).signer)
        return await self._looked_up(lambda: historian.history(access, type_name, id_, params, strict=strict))

    async def search(
        self,
        access: AccessContext,
        searched: str | Searched,
        params: Sequence[tuple[str, str]],
        *,
        strict: bool = False,
    ) -> Page:
        """Search a type (by its name), a compartment or everything."""
        finder = await self.finder()
        return await self._limited(self._looked_up(lambda: finder.search(access, searched, params, strict=strict)))

    async def bundle(
        self,
        access: AccessContext,
        body: bytes,
        *,
        returns: Return = Return.REPRESENTATION,
        strict: bool = False,
        call: Call | None = None,
    ) -> Page:
        """Run a batch or transaction: `returns` tells what writes give back, `strict` how searches are read.

        `call` runs the operations that entries call.
        """
        parcel = await _off_loop(body, lambda: open_bundle(body, self.bases))
        manner = Manner(self.bases[0], returns, strict)
        if parcel.kind == "transaction":
            return await self._transaction(access, body, parcel, manner, call)
        room = asyncio.Semaphore(TRANSACTIONS)
        return await batch(
            parcel,
            lambda entry: self._entry(access, entry, manner, call, room),
            lambda group: self._group(access, group, manner, room),
            lambda entry, error: of_entry(access, entry, error),
        )

    def capabilities(self, root: str, operations: Sequence[Offered]) -> dict[str, Any]:
        """The CapabilityStatement for a server at `root` (without `/fhir`); see `operation.registry.offered`."""
        return capabilities(root, operations, delete_several=self.writing.delete_several, oauth_uris=self._oauth_uris)

    async def timed(self, make: Callable[[], Work[T]], *, aside: bool = False) -> T:
        """Run what may take long however little it asks for; Unavailable when its time is over.

        Cancelling also stops the statement in the database. With `aside` as `kernel.database.atransaction`.
        """
        return await self._limited(atransaction(self.pool, make, aside=aside))

    async def _limited(self, search: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.search_seconds):
                return await search
        except TimeoutError as error:
            raise HealixError(
                Category.UNAVAILABLE,
                f"the search took longer than {self.search_seconds:g} seconds and was stopped; narrow it",
                code="timeout",
            ) from error

    async def looked_up(self, make: Callable[[], Work[T]], *, aside: bool = False) -> T:
        """Run what only looks up, and writes its audit rows when it has, on the standby where that can be; else as
        `timed`.
        """
        return await self._limited(self._looked_up(make, aside=aside))

    async def _looked_up(self, make: Callable[[], Work[T]], *, aside: bool = False) -> T:
        """Run what looks up much and writes nothing but audit rows; a search may set a limit for its transaction."""
        if self.standby is not None:
            done = await self.standby.read(make, together=True, aside=aside)
            if done is not None:
                return done.result
        return await atransaction(self.pool, make, aside=aside)

    async def _run(self, make: Callable[[], Work[T]]) -> T:
        return await atransaction(self.pool, make)

    async def finder(self) -> Finder:
        """The searches, with what seals their links."""
        if self._found is None:
            self._found = Finder(self.bases, await self._run(lambda: server_key("search page")))
        return self._found

    async def _transaction(
        self, access: AccessContext, body: bytes, parcel: Parcel, manner: Manner, call: Call | None
    ) -> Page:
        called = await self._called(access, parcel, call)
        finder, parcels = await self.finder(), openings(parcel, body, self.bases)
        page, committed = await self.writing.reviewed(
            access,
            lambda review: atransaction(
                self.pool,
                lambda: transaction(access, next(parcels), finder, manner, self.writing.most, review, called),
                aside=len(body) > LARGE or review is not unreviewed,
            ),
        )
        remember({id_: key for done in committed for id_, key in done.patients})
        return page

    async def _called(self, access: AccessContext, parcel: Parcel, call: Call | None) -> dict[int, bytes]:
        """What the operations of a transaction answer: before it, as none of them tells of what it changes."""
        asked = [entry for entry in parcel.entries if isinstance(entry, Wanted)]
        if call is None or len(asked) < len(parcel.entries):
            return {}  # to be refused with everything else
        refused, answers = [], {}
        for entry in asked:
            if is_operation(entry.path):
                try:
                    answers[entry.number] = await call(self, access, entry, parcel.kind)
                except HealixError as error:
                    refused.append(at_entry(entry.number, error))
        if refused:
            raise all_of(refused)
        return answers

    async def _entry(
        self, access: AccessContext, entry: Wanted, manner: Manner, call: Call | None, room: asyncio.Semaphore
    ) -> Entry:
        """One entry of a batch; `room` is for those that cost as much as a request of their own."""
        if not entry.writes and answer.is_read(entry):
            assert entry.id is not None
            return answer.found(entry, await self.read(access, entry.type, entry.id), manner)
        if call is not None and is_operation(entry.path):
            async with room:
                return answer.resource(entry, await call(self, access, entry, "batch"))
        if not entry.writes:
            async with room:
                finder = await self.finder()
                return await self.looked_up(lambda: answer.get(access, entry, finder, manner))
        targets = settle(entry, ())
        assert not isinstance(targets, Match)
        changes = [change_of(access, entry, target, self.bases) for target in targets]
        return answer.done(entry, [await self.writing.commit(access, made) for made in changes], manner)

    async def _group(
        self, access: AccessContext, group: Sequence[Wanted], manner: Manner, room: asyncio.Semaphore
    ) -> list[Entry | HealixError]:
        """Conditional entries of a batch: in one transaction what can be, in their own what cannot."""
        async with room:
            outcomes = await self.writing.conditional_each(access, group)
            answers: list[Entry | HealixError] = []
            for entry, outcome in zip(group, outcomes, strict=True):
                try:
                    done = await self.writing.conditional(access, entry) if outcome is None else outcome
                    answers.append(done if isinstance(done, HealixError) else answer.done(entry, done, manner))
                except HealixError as error:
                    answers.append(error)
        return answers


async def _begun(body: bytes, work: Stages[Change]) -> Change | Stages[Change]:
    """`work`, or what it makes where its body is too large to hold up those that are written with it."""
    if len(body) <= SMALL:
        return work
    return await _off_loop(body, lambda: whole(work))


async def _off_loop(body: bytes, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if len(body) > LARGE else work()


Call = Callable[[Interactions, AccessContext, Wanted, str], Awaitable[bytes]]
"""What runs the operation that an entry of a `batch` or `transaction` calls; see `operation.entry`."""
