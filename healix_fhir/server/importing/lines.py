"""Lines of NDJSON become resources: taken in as a PUT under their own ids, and written in one transaction a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.accept import change, known_type
from healix_fhir.interaction.denial import denials
from healix_fhir.interaction.review import NO_DEMANDS, Demands
from healix_fhir.kernel.database import Row, Work, open_pool, transaction
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.json import decode
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.server.importing.report import Place, reasons_of
from healix_fhir.server.importing.reviewing import Reviewing
from healix_fhir.server.parameter_watch import watching
from healix_fhir.store.commit import INTERACTION, Member, commit_each
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import internal, restored
from smart_auth.denial import record_denials
from smart_auth.patients import patient_keys, remember

Line = tuple[Place, bytes]
Taken = tuple[Place, Change]

UNHOLDABLE = frozenset({"22", "23", "54"})
"""Classes of SQLSTATE that speak of the values: data exception, integrity violation, program limit exceeded."""

DENIALS = 64
"""Denials that one statement records."""


@dataclass
class Written:
    """What became of a group of lines."""

    resources: int = 0
    refused: list[tuple[Place, list[str]]] = field(default_factory=list)


@dataclass(frozen=True)
class Manner:
    """How lines are taken: in whose name (`AccessContext.captured`; None: the operator's).

    Who has no `meta.source` gets `source`. With `leaves` what is stored with other content stays as it is, and the line
    is refused.
    """

    captured: Mapping[str, str | None] | None = None
    source: str | None = None
    leaves: bool = False


OPERATORS = Manner()


class LineWriter:
    """Writes groups of lines over `pool`; keeps nothing from one group to the next."""

    def __init__(
        self,
        pool: ConnectionPool[Connection[Row]],
        bases: tuple[str, ...],
        wanted: Demands = NO_DEMANDS,
        manner: Manner = OPERATORS,
    ) -> None:
        self._pool = pool
        self._bases = bases
        self._manner = manner
        captured = manner.captured
        self._access = (
            internal("import")
            if captured is None
            else transaction(pool, lambda: restored(captured, ScopeQueries(bases)))
        )
        self._reviewing = Reviewing(pool, wanted)

    def write(self, lines: Sequence[Line]) -> Written:
        """Write `lines`, those about the same resource one after the other. Each is stored or refused by itself."""
        written = Written()
        group: dict[tuple[str, str], Taken] = {}
        for place, body in lines:
            try:
                made = self._change(body)
            except HealixError as error:
                written.refused.append((place, reasons_of(error)))
                continue
            if (made.type, made.id) in group:
                self._commit(list(group.values()), written)
                group = {}
            group[made.type, made.id] = place, made
        if group:
            self._commit(list(group.values()), written)
        return written

    def close(self) -> None:
        """Nothing is held from one group to the next."""

    def _change(self, body: bytes) -> Change:
        resource = decode(body)
        type_name, id_ = resource.get("resourceType"), resource.get("id")
        if not isinstance(type_name, str):
            raise invalid("this is no FHIR resource: it has no resourceType", code="structure")
        known_type(type_name)
        if not isinstance(id_, str) or not is_logical_id(id_):
            raise invalid(f"a {type_name} needs its id to be imported", code="required")
        if self._manner.source is not None and isinstance(meta := resource.setdefault("meta", {}), dict):
            meta.setdefault("source", self._manner.source)
        made = change(Method.PUT, resource, type_name, id_, self._bases)
        if self._manner.leaves:
            made = msgspec.structs.replace(made, leaves=True)
        return self._reviewing.with_definitions(lambda: self._reviewing.review(made))

    def _commit(self, group: Sequence[Taken], written: Written) -> None:
        """Write one group; what the database cannot hold is found by halving, and refused alone."""
        try:
            outcomes = self._transact([made for _, made in group])
        except psycopg.Error as error:
            if (error.sqlstate or "")[:2] not in UNHOLDABLE:
                raise
            if len(group) == 1:
                written.refused.append((group[0][0], ["it has a value that the database cannot hold"]))
                return
            half = len(group) // 2
            self._commit(group[:half], written)
            self._commit(group[half:], written)
            return
        for (place, _), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, HealixError):
                written.refused.append((place, reasons_of(outcome)))
            else:
                written.resources += 1

    def _transact(self, changes: Sequence[Change]) -> list[Committed | HealixError]:
        """Make the changes in one transaction.

        The keys of new patients are made in one before: made in the same, another process that meets these patients
        would wait for its end.
        """
        patients = list(dict.fromkeys(id_ for made in changes for id_ in made.rows.patients))
        remember(transaction(self._pool, lambda: patient_keys(patients)))
        members = [(self._access, made) for made in changes]
        return transaction(self._pool, lambda: self._committed(members))

    def _committed(self, members: Sequence[Member]) -> Work[list[Committed | HealixError]]:
        """Make the changes; what the client may not write is on record as where it asks for one alone."""
        outcomes = yield from commit_each(members)
        if self._manner.captured is not None:
            denied = [
                (access.origin, denial)
                for (access, made), refusal in zip(members, outcomes, strict=True)
                if isinstance(refusal, HealixError)
                for denial in denials(access, refusal, INTERACTION[made.method], f"{made.type}/{made.id}")
            ]
            for start in range(0, len(denied), DENIALS):
                yield record_denials(denied[start : start + DENIALS])
        return outcomes


@contextmanager
def writing(
    url: str, bases: tuple[str, ...], wanted: Demands, manner: Manner = OPERATORS
) -> Iterator[Callable[[Sequence[Line]], Written]]:
    """What writes lines in a process of its own, with a connection of its own."""
    with open_pool(url, size=1) as pool, watching(url):
        yield LineWriter(pool, bases, wanted, manner).write
