"""Reminds people of their appointments, some hours before, once for each time at which one is to be.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from healix_fhir.care.calendar.telling import Told, told
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.wish import patients_of
from healix_fhir.search import tokens

AT_ONCE = 200


def reminded(tell: Told, hours: int, bases: tuple[str, ...]) -> Work[int]:
    """Remind of what is booked within `hours` from now; of how many."""
    status = search_parameters("Appointment")["status"].id
    rows = yield Statement(
        """SELECT r.id, r.d, r.body FROM resource r
           WHERE r.type = %s AND NOT r.deleted AND r.d > now() AND r.d <= now() + make_interval(hours => %s)
             AND r.toks @> ARRAY[%s]::bigint[]
             AND NOT EXISTS (SELECT FROM reminder m WHERE m.appointment = r.id AND m.start = r.d)
           ORDER BY r.d, r.id LIMIT %s""",
        (TYPE_ID["Appointment"], hours, tokens.any_system(status, "booked"), AT_ONCE),
        prepare=False,
    )
    for id_, start, body in rows:
        made = yield Statement(
            "INSERT INTO reminder (appointment, start) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1", (id_, start)
        )
        if made:
            appointment = decode_stored(body)
            yield from told(tell, patients_of(appointment, bases), "reminder", appointment["start"])
    return len(rows)


def sweep() -> Statement:
    """Forget reminders and offers of long ago."""
    return Statement(
        """WITH offers AS (DELETE FROM waiting_offer WHERE offered < now() - interval '1 year')
           DELETE FROM reminder WHERE start < now() - interval '90 days'"""
    )
