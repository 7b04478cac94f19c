"""Transaction: all entries or none, with a number of statements that does not depend on how many they are.

References between entries are rewritten to the ids that the server gives. Writes are one commit; a GET entry is
answered after them, inside the same transaction, so that it sees what the others have done. No resource may be named by
two writes, so their order (DELETE, POST, PUT) cannot be seen.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.interaction import answer
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.bundle import WRITES, Parcel, Wanted, all_of, at_entry
from healix_fhir.interaction.local import Local
from healix_fhir.interaction.result import Entry, Page, Written
from healix_fhir.interaction.search import Finder
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.store.commit import commit_each
from healix_fhir.store.lock import PERMISSION
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext


class Prepared(msgspec.Struct, frozen=True):
    """A transaction whose entries are parsed, valid, linked and indexed. `changes`: entry number to change."""

    entries: tuple[Wanted, ...]
    changes: dict[int, Change]


def prepare(access: AccessContext, parcel: Parcel, bases: tuple[str, ...]) -> Prepared:
    """Everything that needs no database. Raises one refusal with the issues of all entries."""
    refused = [entry for entry in parcel.entries if isinstance(entry, HealixError)]
    entries = tuple(entry for entry in parcel.entries if isinstance(entry, Wanted))
    refused += _twice(entries)
    if refused:
        raise all_of(refused)
    local = Local(entries)
    changes: dict[int, Change] = {}
    for entry in entries:
        if entry.method in WRITES:
            try:
                changes[entry.number] = _change(access, entry, local, bases)
            except HealixError as error:
                refused.append(at_entry(entry.number, error))
    if refused:
        raise all_of(refused)
    return Prepared(entries, changes)


def _change(access: AccessContext, entry: Wanted, local: Local, bases: tuple[str, ...]) -> Change:
    method = Method(entry.method)
    access.require(entry.type, PERMISSION[method])
    assert entry.id is not None
    if entry.resource is None or method is Method.DELETE:
        return Change(method, entry.type, entry.id, if_match=entry.if_match)
    local.link(entry)
    return change(method, entry.resource, entry.type, entry.id, bases, entry.if_match)


def _twice(entries: Sequence[Wanted]) -> list[HealixError]:
    """Refusals of entries that write what another entry writes, or that carry another entry's fullUrl."""
    refused = []
    seen: set[tuple[Any, ...]] = set()
    for entry in entries:
        if entry.method not in WRITES:
            continue
        written, named = (entry.type, entry.id), (entry.full_url,)
        if written in seen:
            refused.append(at_entry(entry.number, invalid(f"{entry.type}/{entry.id} is written by two entries")))
        elif entry.full_url is not None and named in seen:
            refused.append(at_entry(entry.number, invalid("another entry has the same fullUrl")))
        seen |= {written, named}
    return refused


def transaction(
    access: AccessContext, prepared: Prepared, finder: Finder, *, representation: bool
) -> Work[tuple[Page, list[Committed]]]:
    """Run it inside the caller's transaction: the answer, entry by entry, and what was committed."""
    base = finder.bases[0]
    numbers = list(prepared.changes)
    outcomes = yield from commit_each([(access, change) for change in prepared.changes.values()])
    refused = [
        at_entry(number, outcome)
        for number, outcome in zip(numbers, outcomes, strict=True)
        if isinstance(outcome, HealixError)
    ]
    if refused:
        raise all_of(refused)
    done = {n: outcome for n, outcome in zip(numbers, outcomes, strict=True) if isinstance(outcome, Committed)}
    answers = {n: _answer(prepared.changes[n], committed, base, representation) for n, committed in done.items()}
    answers |= yield from _gets(access, [entry for entry in prepared.entries if entry.method == "GET"], finder)
    page = Page("transaction-response", tuple(answers[entry.number] for entry in prepared.entries))
    return page, list(done.values())


def _answer(change: Change, done: Committed, base: str, representation: bool) -> Entry:
    if change.method is Method.DELETE:
        return answer.deleted(done.stored)
    assert done.stored is not None
    return answer.written(Written(done.stored, done.created, done.changed), base, representation=representation)


def _gets(access: AccessContext, entries: Sequence[Wanted], finder: Finder) -> Work[dict[int, Entry]]:
    """The answers of GET entries: reads together, each other one by itself."""
    reads = [entry for entry in entries if entry.id is not None and not entry.path]
    found = yield from read_each([Ask(access, entry.type, entry.id or "") for entry in reads])
    answers: dict[int, Entry] = {}
    for entry, outcome in zip(reads, found, strict=True):
        if isinstance(outcome, HealixError):
            raise at_entry(entry.number, outcome)
        answers[entry.number] = answer.found(outcome, finder.bases[0])
    for entry in entries:
        if entry.number not in answers:
            try:
                answers[entry.number] = yield from answer.get(access, entry, finder)
            except HealixError as error:
                raise at_entry(entry.number, error) from error
    return answers
