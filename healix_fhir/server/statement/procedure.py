"""What the conformance statement says of the modality worklist and of performed procedure steps, from their tables.

Spec: PS3.2 Annex N (2024d), PS3.4 F.7.4.2, F.8.3 and K.6.1.3.2 (2024d)
"""

from __future__ import annotations

from dicomweb.dimse.mpps import STATUS
from dicomweb.dimse.worklist import LARGEST
from dicomweb.procedure.performed import attributes as performed
from dicomweb.procedure.performed.status import ERROR_ID, NO_LONGER_UPDATED, OPTIONAL_NOT_SUPPORTED, Failure
from dicomweb.procedure.scheduled.attributes import ATTRIBUTES
from healix_fhir.server.statement.table import lines, table


def services() -> str:
    """The sections on both."""
    return f"{_worklist()}\n{_performed()}"


def _worklist() -> str:
    return lines(
        "#### Modality worklist",
        "A step is on the list from when its order (FHIR `ServiceRequest`) is active until a performed step of it has"
        " ended; steps that are under way have the status `STARTED`. Those that name no station are answered as if"
        f" scheduled at the one that asks. Matches of one request: {LARGEST:,} at most.",
        "Each of these attributes is matched on and returned: single values, lists of UIDs, wild cards in text, ranges"
        " of dates and times, sequences. Ranges of Scheduled Procedure Step Start Date and Time are one range of"
        " moments. Names are matched without case and accents, each component group with any of the name's; with fuzzy"
        " matching, which may be agreed on, every word of the key begins some word of the name. Other keys are"
        " returned empty, with status FF01H.",
        table(
            ("attribute", "tag", "matching key", "return key"),
            (
                (f"{'>' * row.path.count('.')}{row.keyword}", _tag(row.path), row.key.value, row.returned)
                for row in ATTRIBUTES
            ),
        ),
        "Times are those of the order, or of `HEALIX_TIME_ZONE`, with Timezone Offset From UTC where it is known;"
        " queries are not adjusted to a time zone. Character sets are those of other queries.",
    )


def _performed() -> str:
    return lines(
        "#### Modality performed procedure steps",
        "N-CREATE and N-SET are durable when they are answered; the scheduled step changes with them. Its FHIR side"
        " (Procedure, Task, Appointment, Encounter, ServiceRequest) follows within a second, see"
        " docs/how-to/worklist.md. A step that is DISCONTINUED with reason 110514 puts its scheduled step back on the"
        " list. Only the AE that created a step may change it. Steps are kept without limit of time, and no attribute"
        " is coerced. Other attributes than these are taken and kept too.",
        table(
            ("attribute", "tag", "N-CREATE", "N-SET", "final state"),
            (
                (
                    f"{'>' * row.path.count('.')}{row.keyword}",
                    _tag(row.path),
                    row.create,
                    row.set or "not allowed, but unchanged",
                    row.final,
                )
                for row in performed.ATTRIBUTES
            ),
        ),
        table(
            ("status", "meaning"),
            [
                (f"{OPTIONAL_NOT_SUPPORTED:04X}H", "N-GET: some attributes asked for are none of the SOP class"),
                *((f"{one:04X}H", one.name.lower().replace("_", " ")) for one in Failure),
                (f"{Failure.PROCESSING_FAILURE:04X}H, Error ID {ERROR_ID:04X}H", NO_LONGER_UPDATED),
                *(
                    (f"{code:04X}H", "resource limitation: too large, or try again later")
                    for code in sorted({*STATUS.values()} - {*Failure})
                ),
            ],
        ),
    )


def _tag(path: str) -> str:
    tag = path.rpartition(".")[2]
    return f"({tag[:4]},{tag[4:]})"
