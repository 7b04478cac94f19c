"""Evaluates alert rules as things happen: a consumer of the outbox topic `resource`.

Changed rules first, then what people have made of alerts, then new Observations: each Observation is looked at with
the rules that ask for its code, all of a batch with as many statements as one. The changes are in the transaction that
takes the events out of the outbox, so that each takes effect once, also when the worker is killed in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from healix_fhir.care.alerts.activity import TYPE as ACTIVITY
from healix_fhir.care.alerts.assess import assess, cases
from healix_fhir.care.alerts.book import Book
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.failures import tell_failures
from healix_fhir.care.alerts.following import DETECTED_ISSUE, follow_people, of_patients
from healix_fhir.care.alerts.keeping import CARE_PLAN, GROUP, PLAN, keep
from healix_fhir.care.alerts.looks import begin, expect
from healix_fhir.care.alerts.observed import arrived
from healix_fhir.care.alerts.settle import settle
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.outbox import Event

OBSERVATION, PATIENT = "Observation", "Patient"
WATCHED = frozenset({OBSERVATION, PATIENT, DETECTED_ISSUE, PLAN, ACTIVITY, CARE_PLAN, GROUP})


def consumer(clinic: Clinic) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server as `clinic` tells."""
    book = Book()
    return lambda events: _handle(book, clinic, events)


def _handle(book: Book, clinic: Clinic, events: Sequence[Event]) -> Work[None]:
    changed: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.payload["type"] in WATCHED:
            changed[event.payload["type"]].add(event.payload["id"])
    if not changed:
        return
    moment = now()
    if changed.keys() & {PLAN, ACTIVITY, CARE_PLAN, GROUP}:
        sources = yield from keep(changed)
        if sources:
            yield from book.load()
            yield from begin(book, sources, moment)
    if PATIENT in changed:  # who was merged: before the readings that were moved with them raise anything anew
        changed[DETECTED_ISSUE].update((yield from of_patients(sorted(changed[PATIENT]))))
    if changed[DETECTED_ISSUE]:
        yield from follow_people(sorted(changed[DETECTED_ISSUE]), moment, clinic.bases)
    if OBSERVATION in changed:
        yield from _observe(book, clinic, sorted(changed[OBSERVATION]))


def _observe(book: Book, clinic: Clinic, ids: Sequence[str]) -> Work[None]:
    yield from book.load()
    if not book.codes:
        return
    moment = now()
    came = yield from arrived(ids, book.codes)
    yield from expect(book, came, moment)
    asked = cases(book, came, moment)
    if not asked:
        return
    assessed, failed = yield from assess(asked)
    yield from settle(assessed, clinic, moment)
    yield from tell_failures(failed)
