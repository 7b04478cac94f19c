"""Keeps daily summaries of readings true: outbox consumers that compute anew each day of which a reading has changed.

Two, of the topic `resource`, find out which patient's which day that is: `onlooker` of readings that are there, from
their codes alone, and `marker` of those that are gone, have moved or are denied. They ask for it `LATER`: readings come
in many, and a day is computed once for all of them. The third computes what is asked for; the more readings a day has,
the longer it rests until it is computed again. None is on the path of a write.

What a security label marks, or a Consent denies by name, counts for no summary: who may not see a reading must not
learn it from the day's figures. Where a Consent denies all Observations it denies the summaries too.

A day is one of the patient's own clock (extension `timezone`), else of the clinic's: a walk before midnight is of that
day, wherever the clinic is. Whose zone changes has days of the new one from the next reading on.

A summary has an id made of patient, series and day by a key that only this server has, so that it is stored once, and
a new version made only where its figures have changed. A day without readings has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, tzinfo
from hashlib import blake2b

import msgspec

from healix_fhir.care import clocks
from healix_fhir.care.glance import OBSERVATION, Glance, Onlooker, glances
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import LONGEST, Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.measurement.daily import COURSES, day_at, day_of, days, reach, summary
from healix_fhir.operation.measurement.measured import BY_CODE, Measured, measured
from healix_fhir.operation.measurement.metrics import LOINC, Metric
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit
from healix_fhir.store.keys import server_key
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

CONSENT = "Consent"
NAMED = f"{TYPE_ID[OBSERVATION]}/"
"""What an Observation's name begins with where a Consent's rules have it (search/consent_rules.py)."""
TOPIC = "daily-summary"
LATER = 3
"""Seconds between a reading and the summary of its day."""
REST = 0.003
"""Seconds for each of its readings, for which a day that was summed up is left alone: the work stays in proportion."""
LONGEST_REST = LONGEST
"""Seconds that a day rests at most."""
AT_ONCE = 10
"""Days whose readings are in memory together."""
ACCESS = internal("healix-daily-summary")
Consumer = Callable[[Sequence[Event]], Work[None]]
PatientDay = tuple[str, date]
Zones = Mapping[str, tzinfo]
"""The zones of patients by id."""


def marker(zone: tzinfo | None) -> Consumer:
    """The consumer of `resource` that asks for days of which a reading is gone, or moved; of `zone` (none: UTC) where a
    patient has none.
    """
    return lambda events: _mark(zone or UTC, events)


def onlooker(zone: tzinfo | None) -> Onlooker:
    """Who asks for the days of readings that have come or changed, of `zone` (none: UTC) where a patient has none."""
    return lambda seen: _look(zone or UTC, seen)


def consumer(zone: tzinfo | None, bases: tuple[str, ...]) -> Consumer:
    """The consumer of `TOPIC` that computes days, of `zone` (none: UTC) where a patient has none."""
    return lambda events: _compute(zone or UTC, bases, events)


def _look(clinic: tzinfo, seen: Iterable[Glance]) -> Work[None]:
    """Ask for the days of what may be readings: whether they are is seen when the day is summed up."""
    found = {
        (one.pat, metric, one.at)
        for one in seen
        if one.pat is not None and one.at is not None and (metric := _metric(one)) is not None
    }
    if found:
        known = yield from clocks.homes((pat for pat, _, _ in found), clinic)
        there = ((known[pat], metric, at) for pat, metric, at in found if pat in known)
        yield from _ask((patient, day_at(metric, at, zone)) for (patient, zone), metric, at in there)


def _metric(seen: Glance) -> Metric | None:
    return next((BY_CODE[one.code] for one in seen.codes if one.system == LOINC and one.code in BY_CODE), None)


def _mark(zone: tzinfo, events: Sequence[Event]) -> Work[None]:
    replaced = [
        (event.payload["id"], event.payload["version"] - 1)
        for event in events
        if event.payload["type"] == OBSERVATION and event.payload["version"] > 1
    ]
    if replaced:
        rows = yield _versions(replaced)
        gone = [(patient, reading) for patient, body in rows for reading in _readings([unpack(body)])]
        zones = yield from clocks.zones((patient for patient, _ in gone), zone)
        yield from _ask((patient, day_of(reading, zones[patient])) for patient, reading in gone)
    consents = [event.payload["id"] for event in events if event.payload["type"] == CONSENT]
    denied = (yield _denied(consents)) if consents else []
    if denied:
        yield from _look(zone, (yield from glances([id_ for (id_,) in denied])))


def _ask(found: Iterable[PatientDay]) -> Work[None]:
    """Ask for days, `LATER`."""
    asked = dict.fromkeys(sorted(set(found)), LATER)
    if asked:
        yield _later(asked)


def _versions(replaced: Sequence[tuple[str, int]]) -> Statement:
    """Patient and body of versions of Observations that are not the present ones."""
    return Statement(
        """SELECT k.id, h.body FROM unnest(%s::text[], %s::int[]) AS x (id, version)
           JOIN resource_history h ON h.type = %s AND h.id = x.id COLLATE "C" AND h.version = x.version
           JOIN patient_key k ON k.pat = h.pat WHERE NOT h.deleted""",
        (
            arrays.text(id_ for id_, _ in replaced),
            arrays.int4(version for _, version in replaced),
            TYPE_ID[OBSERVATION],
        ),
        prepare=False,
    )


def _denied(consents: Sequence[str]) -> Statement:
    """The ids of Observations that these Consents name in what they deny."""
    return Statement(
        """SELECT DISTINCT substr(d.name, length(%s) + 1) FROM resource r
           JOIN consent_rule c ON c.pk = r.pk AND c.denies CROSS JOIN unnest(c.data) AS d (name)
           WHERE r.type = %s AND r.id = ANY(%s::text[]) AND starts_with(d.name, %s)""",
        (NAMED, TYPE_ID[CONSENT], arrays.text(consents), NAMED),
        prepare=False,
    )


def _later(pauses: Mapping[PatientDay, float]) -> Statement:
    """Ask for days after so many seconds, but for what is asked for already and not due: it will see what is there."""
    payloads = (msgspec.json.encode({"patient": patient, "day": day.isoformat()}) for patient, day in pauses)
    return Statement(
        """INSERT INTO outbox (topic, payload, due)
           SELECT %s, x.payload, now() + make_interval(secs => x.pause)
           FROM unnest(%s::bytea[], %s::float8[]) AS x (payload, pause)
           WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.topic = %s AND o.payload = x.payload AND o.due > now())""",
        (TOPIC, arrays.bytea(payloads), arrays.float8(pauses.values()), TOPIC),
        prepare=False,
    )


def _readings(bodies: Sequence[bytes]) -> Iterator[Measured]:
    return (one for body in bodies if (one := measured(decode_stored(bytes(body)))) is not None)


def _compute(zone: tzinfo, bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    asked = sorted({(event.payload["patient"], date.fromisoformat(event.payload["day"])) for event in events})
    key = yield from server_key("daily summary")
    zones = yield from clocks.zones((patient for patient, _ in asked), zone)
    resting = yield from _resting(key, asked, zones)
    if resting:
        yield _later(resting)
    due = [one for one in asked if one not in resting]
    for start in range(0, len(due), AT_ONCE):
        yield from _summarize(key, due[start : start + AT_ONCE], zones, bases)


def _resting(key: bytes, asked: Sequence[PatientDay], zones: Zones) -> Work[dict[PatientDay, float]]:
    """The days that were summed up so short a time ago, for what they hold, that they are left alone; for how long.

    Those that were summed up later than now, before the clock was set back, are not.
    """
    kept = [(n, id_of(key, patient, name, day)) for n, (patient, day) in enumerate(asked) for name in COURSES]
    rows = yield Statement(
        """SELECT x.n, extract(epoch FROM now() - max(r.updated))::float8
           FROM unnest(%s::int[], %s::text[]) AS x (n, id)
           CROSS JOIN LATERAL (SELECT updated FROM resource WHERE type = %s AND id = x.id COLLATE "C" OFFSET 0) AS r
           GROUP BY x.n""",
        (arrays.int4(n for n, _ in kept), arrays.text(id_ for _, id_ in kept), TYPE_ID[OBSERVATION]),
        prepare=False,
    )
    ago = {asked[n]: seconds for n, seconds in rows}
    fresh = [one for one in ago if 0 <= ago[one] < LONGEST_REST]
    if not fresh:
        return {}
    spans = [reach(day, zones[patient]) for patient, day in fresh]
    rows = yield Statement(
        """SELECT x.n, (SELECT count(*) FROM resource r
                        WHERE r.pat = k.pat AND r.type = %s AND r.d >= x.low AND r.d < x.high)
           FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS x (patient, low, high, n)
           JOIN patient_key k ON k.id = x.patient COLLATE "C"
           """,
        (
            TYPE_ID[OBSERVATION],
            arrays.text(patient for patient, _ in fresh),
            arrays.timestamptz(low for low, _ in spans),
            arrays.timestamptz(high for _, high in spans),
        ),
        prepare=False,
    )
    left = {fresh[n - 1]: min(count * REST, LONGEST_REST) - ago[fresh[n - 1]] for n, count in rows}
    return {one: seconds for one, seconds in left.items() if seconds > 0}


def _summarize(key: bytes, asked: Sequence[PatientDay], zones: Zones, bases: tuple[str, ...]) -> Work[None]:
    """Store what these days of patients come to, and delete what there is no reading for any more."""
    bodies: dict[int, list[bytes]] = defaultdict(list)
    for n, body in (yield _of_days(asked, zones)):
        bodies[n].append(body)
    changes: dict[str, Change] = {}
    for n, (patient, day) in enumerate(asked, 1):
        zone = zones[patient]
        for made in days(_readings(bodies[n]), day, zone):
            id_ = id_of(key, patient, made.course.name, day)
            changes[id_] = change(Method.PUT, summary(made, patient, zone), OBSERVATION, id_, bases)
    possible = {id_of(key, patient, name, day) for patient, day in asked for name in COURSES}
    there = yield _existing(sorted(possible - changes.keys()))
    changes |= {id_: Change(Method.DELETE, OBSERVATION, id_) for (id_,) in there}
    if changes:
        yield from commit(ACCESS, list(changes.values()))


def _of_days(asked: Sequence[PatientDay], zones: Zones) -> Statement:
    """The Observations of patients that begin within what their days reach over, by the number of the day from 1."""
    spans = [reach(day, zones[patient]) for patient, day in asked]
    return Statement(
        """SELECT x.n, r.body
           FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS x (patient, low, high, n)
           JOIN patient_key k ON k.id = x.patient COLLATE "C"
           JOIN resource r ON r.pat = k.pat AND r.type = %s AND r.d >= x.low AND r.d < x.high
           WHERE NOT r.deleted AND NOT EXISTS (SELECT FROM index_label l WHERE l.pk = r.pk)
             AND NOT EXISTS (SELECT FROM consent_rule c
                             WHERE c.pat = r.pat AND c.denies AND (%s || r.id) = ANY(c.data))""",
        (
            arrays.text(patient for patient, _ in asked),
            arrays.timestamptz(low for low, _ in spans),
            arrays.timestamptz(high for _, high in spans),
            TYPE_ID[OBSERVATION],
            NAMED,
        ),
        prepare=False,
    )


def _existing(ids: Sequence[str]) -> Statement:
    return Statement(
        "SELECT id FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted",
        (TYPE_ID[OBSERVATION], arrays.text(ids)),
        prepare=False,
    )


def id_of(key: bytes, patient: str, course: str, day: date) -> str:
    """The id of a summary's Observation."""
    text = f"{patient}|{course}|{day.isoformat()}"
    return f"d-{blake2b(text.encode(), key=key, digest_size=16).hexdigest()}"
