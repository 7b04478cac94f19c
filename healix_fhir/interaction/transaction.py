"""Transaction: all entries or none, with a number of statements that does not depend on how many they are.

Conditions are settled first, then references between entries are rewritten to the addresses that the resources get, and
everything is written as one commit. Only entries with conditional references wait for it: these are searched for
afterwards, so that they find what the others have made, and then the waiting entries are written. GET entries are
answered last, inside the same transaction. No resource may be named by two writes, so that their order (DELETE, POST,
PUT, PATCH) cannot be seen.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from healix_fhir.interaction import answer
from healix_fhir.interaction.answer import Manner
from healix_fhir.interaction.bundle import Parcel, all_of, at_entry
from healix_fhir.interaction.conditional import existing
from healix_fhir.interaction.local import Local
from healix_fhir.interaction.resolve import Settled, find_references, overlaps, settle_all
from healix_fhir.interaction.result import Entry, Page, Written
from healix_fhir.interaction.review import Review, unreviewed
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.settle import SINGLE, change_of
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.fhirpath.evaluate.node import Node, root
from healix_fhir.model.references import rewrite
from healix_fhir.store.commit import commit_each
from healix_fhir.store.read import Ask, read_each
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext

Done = dict[int, list[Committed]]
"""What became of each entry's targets, by the entry's number."""

NONE: Mapping[int, bytes] = MappingProxyType({})


def transaction(
    access: AccessContext,
    parcel: Parcel,
    finder: Finder,
    manner: Manner,
    most: int = SINGLE,
    review: Review = unreviewed,
    called: Mapping[int, bytes] = NONE,
) -> Work[tuple[Page, list[Committed]]]:
    """Run it inside the caller's transaction: the answer, entry by entry, and what was committed.

    `called` are the answers of the operations among the entries, by number.
    The references of the parcel's resources are rewritten in place: it can be run once. Raises one refusal with the
    issues of all entries.
    """
    entries = _readable(parcel)
    settled = yield from settle_all(access, entries, finder.bases[0], most)
    _raise(settled.refused + overlaps(entries, settled))
    done = yield from _write(access, entries, settled, finder.bases, review)
    answers = yield from _written(access, entries, settled, done, manner)
    answers |= {number: answer.resource(entries[number], body) for number, body in called.items()}
    answers |= yield from _gets(access, [entry for entry in entries if entry.number not in answers], finder, manner)
    page = Page("transaction-response", tuple(answers[entry.number] for entry in entries))
    return page, [one for committed in done.values() for one in committed]


def _readable(parcel: Parcel) -> list[Wanted]:
    _raise([entry for entry in parcel.entries if isinstance(entry, HealixError)])
    return [entry for entry in parcel.entries if isinstance(entry, Wanted)]


def _raise(refused: Sequence[HealixError]) -> None:
    if refused:
        raise all_of(refused)


def _write(
    access: AccessContext, entries: Sequence[Wanted], settled: Settled, bases: tuple[str, ...], review: Review
) -> Work[Done]:
    waiting = [entry for entry in entries if entry.number in settled.targets]
    searches = _link(entries, waiting, settled)
    around = {} if review is unreviewed else _around(waiting, settled)
    addresses: dict[str, str] = {}
    done: Done = {}
    while waiting:
        ready = [entry for entry in waiting if searches[entry.number].keys() <= addresses.keys()]
        waiting = [entry for entry in waiting if not searches[entry.number].keys() <= addresses.keys()]
        for entry in ready:
            if searches[entry.number] and entry.resource is not None:
                rewrite(entry.resource, addresses)
        done |= yield from _commit(access, ready, settled, bases, partial(review, around=around))
        if waiting:
            addresses |= yield from _addresses(access, waiting, searches, addresses, bases)
    return done


def _link(entries: Sequence[Wanted], waiting: Sequence[Wanted], settled: Settled) -> dict[int, dict[str, str]]:
    """Link the entries with each other; the conditional references of each with their locations."""
    places: dict[int, tuple[str, int | None]] = {}
    for entry in entries:
        if entry.number in settled.found:
            match = settled.found[entry.number]
            places[entry.number] = f"{entry.type}/{match.id}", match.version
        elif entry.method in ("POST", "PUT") and entry.number in settled.targets:
            (target,) = settled.targets[entry.number]
            places[entry.number] = f"{entry.type}/{target.id}", 1 if target.method is Method.POST else None
    local = Local(entries, places)
    searches: dict[int, dict[str, str]] = {}
    refused = []
    for entry in waiting:
        try:
            searches[entry.number] = local.link(entry)
        except HealixError as error:
            refused.append(at_entry(entry.number, error))
    _raise(refused)
    return searches


def _around(entries: Sequence[Wanted], settled: Settled) -> dict[str, Node]:
    """The resources that will be written, by Type/id."""
    return {
        f"{entry.type}/{target.id}": root(entry.resource)
        for entry in entries
        if entry.resource is not None
        for target in settled.targets[entry.number]
    }


def _addresses(
    access: AccessContext,
    waiting: Sequence[Wanted],
    searches: Mapping[int, Mapping[str, str]],
    known: Mapping[str, str],
    bases: tuple[str, ...],
) -> Work[dict[str, str]]:
    """Addresses for conditional references that had none. Raises when one cannot have any, or when none was found."""
    asked = dict.fromkeys(text for entry in waiting for text in searches[entry.number] if text not in known)
    answers = yield from find_references(access, asked, bases)
    found = {text: address for text, address in answers.items() if isinstance(address, str)}
    refused = []
    for entry in waiting:
        for text, location in searches[entry.number].items():
            refusal = answers.get(text)
            if isinstance(refusal, HealixError):
                refused.append(_unresolved(entry, refusal.category, f"{text}: {refusal.message}", location))
            elif not found and text not in known:
                message = f"the conditional reference {text} matches nothing"
                refused.append(_unresolved(entry, Category.PRECONDITION_FAILED, message, location))
    _raise(refused)
    return found


def _unresolved(entry: Wanted, category: Category, message: str, location: str) -> HealixError:
    return at_entry(entry.number, HealixError(category, message, expression=(location,)))


def _commit(
    access: AccessContext, entries: Sequence[Wanted], settled: Settled, bases: tuple[str, ...], review: Review
) -> Work[Done]:
    changes: list[tuple[int, Change]] = []
    refused = []
    for entry in entries:
        try:
            changes += [
                (entry.number, review(change_of(access, entry, target, bases)))
                for target in settled.targets[entry.number]
            ]
        except HealixError as error:
            refused.append(at_entry(entry.number, error))
    _raise(refused)
    outcomes = (yield from commit_each([(access, change) for _, change in changes])) if changes else []
    done: Done = {entry.number: [] for entry in entries}
    for (number, _), outcome in zip(changes, outcomes, strict=True):
        if isinstance(outcome, HealixError):
            refused.append(at_entry(number, outcome))
        else:
            done[number].append(outcome)
    _raise(refused)
    return done


def _written(
    access: AccessContext, entries: Sequence[Wanted], settled: Settled, done: Done, manner: Manner
) -> Work[dict[int, Entry]]:
    """The answers of writing entries."""
    answers: dict[int, Entry] = {}
    if settled.found:
        asked = [(entries[number].type, match) for number, match in settled.found.items()]
        shown = yield from existing(access, asked)
        for number, stored in zip(settled.found, shown, strict=True):
            answers[number] = answer.written(Written(stored, created=False, changed=False), manner)
    for number, committed in done.items():
        answers[number] = answer.done(entries[number], committed, manner)
    return answers


def _gets(access: AccessContext, entries: Sequence[Wanted], finder: Finder, manner: Manner) -> Work[dict[int, Entry]]:
    """The answers of GET entries: reads together, each other one by itself."""
    reads = [entry for entry in entries if answer.is_read(entry)]
    found = (yield from read_each([Ask(access, entry.type, entry.id or "") for entry in reads])) if reads else []
    answers: dict[int, Entry] = {}
    for entry, outcome in zip(reads, found, strict=True):
        if isinstance(outcome, HealixError):
            raise at_entry(entry.number, outcome)
        answers[entry.number] = answer.found(entry, outcome, manner)
    for entry in entries:
        if entry.number not in answers:
            try:
                answers[entry.number] = yield from answer.get(access, entry, finder, manner)
            except HealixError as error:
                raise at_entry(entry.number, error) from error
    return answers
