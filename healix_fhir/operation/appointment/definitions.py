"""The operations of appointments: three of the Argonaut scheduling guide, and what it leaves to plain REST.

The guide's parameters keep its names and types: references are uris and codes are tokens, so that a query can say them.
`slot` is a further one: a client that has found Slots by a search needs no Appointment to hold or book them.

Spec: Argonaut Scheduling Implementation Guide 1.0, operations Appointment/$find, $hold, $book
"""

from __future__ import annotations

from healix_fhir.model.operation_definition import MANY, OperationDefinition, Parameter
from healix_fhir.operation.declaring import into, out, own

APPOINTMENT = "Appointment"
GUIDE = "http://fhir.org/guides/argonaut-scheduling/OperationDefinition/appointment-"
ANSWER = out("return", "Bundle", "The Appointments, and what there is to say of them")


def _own(code: str, description: str, *parameters: Parameter, level: str, guide: bool = False) -> OperationDefinition:
    return own(
        code,
        description,
        *parameters,
        ANSWER,
        levels=("instance",) if level == "instance" else ("type",),
        resource=(APPOINTMENT,),
        url=f"{GUIDE}{code}" if guide else None,
    )


FIND = _own(
    "find",
    "Times that are free: an Appointment that is proposed, and stored nowhere, for each.",
    into("start", "dateTime", "The first day or moment to look at", least=1),
    into("end", "dateTime", "The last one", least=1),
    into("specialty", "string", "Its specialty, as system|code", most=MANY, search="token"),
    into("visit-type", "string", "Its type of service, as system|code", most=MANY, search="token"),
    into("practitioner", "uri", "With whom: one of these", most=MANY),
    into("location-reference", "uri", "Where: one of these", most=MANY),
    into("patient-reference", "uri", "For whom"),
    into("organization", "uri", "Of which organization", most=MANY),
    into("location-string", "string", "At which address", most=MANY),
    into("patient-resource", "Patient", "For whom, who is not known yet"),
    into("coverage", "Coverage", "Paid by whom", most=MANY),
    into("_count", "integer", "How many at most"),
    level="type",
    guide=True,
)
FIND_REFUSED = frozenset({"organization", "location-string", "patient-resource", "coverage"})

_WHICH = (
    into("appt-id", "uri", "A proposed Appointment, as $find or a hold gave it"),
    into("appt-resource", "Appointment", "The Appointment that is wanted, with its slots"),
    into("slot", "uri", "Slots that it is to take, one after the other", most=MANY),
    into("patient-id", "uri", "For whom; the token's patient without it", most=MANY),
    into("comment", "string", "What the clinic should know"),
)
HOLD = _own(
    "hold",
    "Keeps slots free from others for some minutes, in which they can be booked: a pending Appointment.",
    *_WHICH,
    level="type",
    guide=True,
)
BOOK = _own(
    "book",
    "Books an Appointment, or a series of them: all of it or nothing.",
    *_WHICH,
    into("cancelled-appt-id", "uri", "An Appointment in whose place it comes; it is cancelled if it is not yet"),
    into("repeat-count", "integer", "How many, of a series at the same time of the day"),
    into("repeat-days", "integer", "How many days from one to the next of a series; 7 without it"),
    level="type",
    guide=True,
)
RESCHEDULE = _own(
    "reschedule",
    "Moves an Appointment to other slots: it gives the first ones free in the moment in which it has the others.",
    into("slot", "uri", "Slots that it is to take, one after the other", least=1, most=MANY),
    into("comment", "string", "What the clinic should know"),
    level="instance",
)
CANCEL = _own(
    "cancel",
    "Cancels an Appointment, with a reason.",
    into("reason", "CodeableConcept", "Why; that the patient or the clinic did so, without it"),
    into("comment", "string", "What is to be said of it"),
    into("series", "boolean", "Whether those of the series that are still to come are cancelled too"),
    level="instance",
)
CHECK_IN = _own(
    "check-in",
    "The patient is there: the Appointment becomes arrived, and an Encounter begins.",
    level="instance",
)
