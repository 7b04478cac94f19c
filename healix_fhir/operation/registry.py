"""The operations that this server runs; the capability statement is made from the same table.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import msgspec

from healix_fhir.interaction.accept import known_id, known_type
from healix_fhir.interaction.capabilities import Offered
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import aat_once, one
from healix_fhir.kernel.errors import unsupported
from healix_fhir.operation import (
    alert,
    break_glass,
    bulk_import,
    closure,
    convert,
    diff,
    document,
    everything,
    expand,
    export,
    fhirpath,
    lastn,
    lookup,
    meta,
    pairing,
    process_message,
    reindex,
    report,
    stats,
    subsumes,
    summary,
    translate,
    trends,
    validate,
    validate_code,
    validate_in_system,
    versions,
)
from healix_fhir.operation.appointment import book as booking
from healix_fhir.operation.appointment import cancel as cancelling
from healix_fhir.operation.appointment import definitions as appointments
from healix_fhir.operation.appointment import find as finding
from healix_fhir.operation.appointment import move as moving
from healix_fhir.operation.circle.calls import ACCEPT, INVITE, accept_care, invite_to_care
from healix_fhir.operation.expunging import expunge, purge
from healix_fhir.operation.goal.progress_call import PROGRESS, progress_of
from healix_fhir.operation.graphql.call import GRAPHQL, graphql
from healix_fhir.operation.graphql.request import MEDIA
from healix_fhir.operation.imaging_report.amend import AMEND, amend_operation
from healix_fhir.operation.imaging_report.sign import SIGN as SIGN_REPORT
from healix_fhir.operation.imaging_report.sign import sign_operation as sign_report
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.operation.matching import match
from healix_fhir.operation.measurement.ingest import INGEST_MEASUREMENTS, ingest
from healix_fhir.operation.measurement.reading import CSV, NDJSON
from healix_fhir.operation.merging import merge, undo
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.prescription.check_order import CHECK_ORDER, check_order
from healix_fhir.operation.prescription.printing import PRINT, print_operation
from healix_fhir.operation.prescription.sign import SIGN, sign_operation
from healix_fhir.operation.subscribed import binding_token as socket
from healix_fhir.operation.subscribed import events, status
from smart_auth.access import AccessContext

SYSTEM = frozenset({"system"})
TYPE = frozenset({"type"})
INSTANCE = frozenset({"instance"})

ROWS: tuple[Operation, ...] = (
    Operation(alert.ACKNOWLEDGE, alert.acknowledge, changes=True),
    Operation(alert.RESOLVE, alert.resolve, changes=True),
    Operation(alert.ALERT_RULE, alert.alert_rule, within={"batch": INSTANCE}),
    Operation(break_glass.BREAK_GLASS, break_glass.break_glass, changes=True),
    Operation(break_glass.END_BREAK_GLASS, break_glass.end_break_glass, changes=True),
    Operation(appointments.FIND, finding.find, within={"batch": TYPE}, refused=appointments.FIND_REFUSED),
    Operation(appointments.HOLD, booking.hold, changes=True),
    Operation(appointments.BOOK, booking.book, changes=True),
    Operation(appointments.RESCHEDULE, moving.reschedule, changes=True),
    Operation(appointments.CANCEL, cancelling.cancel, changes=True),
    Operation(appointments.CHECK_IN, moving.check_in, changes=True),
    Operation(document.DOCUMENT, document.document, within={"batch": TYPE | INSTANCE}, refused=frozenset({"graph"})),
    Operation(summary.SUMMARY, summary.summary, within={"batch": TYPE | INSTANCE}, refused=frozenset({"graph"})),
    Operation(convert.CONVERT, convert.convert, within={"batch": SYSTEM, "transaction": SYSTEM}),
    Operation(diff.DIFF, diff.diff, within={"batch": SYSTEM | INSTANCE}),
    *(
        Operation(
            definition,
            everything.everything,
            within={"batch": definition.levels},
            refused=frozenset({"_offset"} & definition.inputs.keys()),
        )
        for definition in (everything.OF_ENCOUNTER, everything.OF_GROUP, everything.OF_PATIENT)
    ),
    Operation(
        fhirpath.FHIRPATH,
        fhirpath.fhirpath,
        within={"batch": SYSTEM, "transaction": SYSTEM},
        as_sent=frozenset({"resource"}),
    ),
    Operation(bulk_import.IMPORT, bulk_import.bulk_import, changes=True),
    Operation(export.OF_SYSTEM, export.export, refused=export.REFUSED),
    Operation(export.OF_PATIENTS, export.export, refused=export.REFUSED),
    Operation(export.OF_GROUP, export.export, refused=export.REFUSED),
    Operation(CHECK_ORDER, check_order),
    Operation(SIGN, sign_operation, changes=True),
    Operation(PRINT, print_operation, within={"batch": INSTANCE}),
    Operation(SIGN_REPORT, sign_report, changes=True),
    Operation(AMEND, amend_operation, changes=True),
    Operation(GRAPHQL, graphql, media=(MEDIA,)),
    Operation(INGEST_MEASUREMENTS, ingest, changes=True, media=(NDJSON, CSV)),
    Operation(pairing.PAIRING_CODE, pairing.pairing_code, changes=True),
    Operation(pairing.UNPAIR, pairing.end_pairing, changes=True),
    Operation(lastn.LASTN, lastn.lastn, within={"batch": TYPE}, searches=True),
    Operation(lookup.LOOKUP, lookup.lookup, within={"batch": TYPE}),
    Operation(subsumes.SUBSUMES, subsumes.subsumes, within={"batch": TYPE | INSTANCE}),
    Operation(validate_in_system.VALIDATE_CODE, validate_in_system.validate_code, within={"batch": TYPE | INSTANCE}),
    Operation(match.MATCH, match.match, within={"batch": TYPE}),
    Operation(merge.MERGE, merge.merge, changes=True),
    Operation(undo.UNDO, undo.undo_merge, changes=True),
    Operation(
        process_message.PROCESS_MESSAGE, process_message.process_message, changes=True, refused=process_message.REFUSED
    ),
    Operation(INVITE, invite_to_care, changes=True),
    Operation(ACCEPT, accept_care, changes=True),
    Operation(PROGRESS, progress_of, within={"batch": INSTANCE}),
    Operation(reindex.REINDEX, reindex.reindex, changes=True, by=frozenset({"GET", "POST", "DELETE"})),
    Operation(report.OF_PATIENT, report.report, changes=True),
    Operation(closure.CLOSURE, closure.closure, changes=True),
    Operation(expunge.EXPUNGE, expunge.expunge, changes=True),
    Operation(purge.PURGE, purge.purge, changes=True),
    Operation(expand.EXPAND, expand.expand, within={"batch": TYPE | INSTANCE}),
    Operation(validate_code.VALIDATE_CODE, validate_code.validate_code, within={"batch": TYPE | INSTANCE}),
    Operation(translate.TRANSLATE, translate.translate, within={"batch": TYPE | INSTANCE}),
    Operation(meta.META, meta.meta, within={"batch": SYSTEM | TYPE | INSTANCE}),
    Operation(meta.META_ADD, meta.meta_add, changes=True, within={"batch": INSTANCE}),
    Operation(meta.META_DELETE, meta.meta_delete, changes=True, within={"batch": INSTANCE}),
    Operation(trends.TRENDS, trends.run_trends, within={"batch": TYPE}),
    Operation(stats.STATS, stats.stats, within={"batch": TYPE}),
    Operation(status.STATUS, status.status, within={"batch": TYPE | INSTANCE}),
    Operation(events.EVENTS, events.events, within={"batch": INSTANCE}),
    Operation(socket.BINDING_TOKEN, socket.binding_token, by=frozenset({"GET", "POST"})),
    Operation(
        validate.VALIDATE,
        validate.validate,
        within={"batch": TYPE | INSTANCE, "transaction": TYPE},
        as_sent=frozenset({"resource"}),
    ),
    Operation(versions.VERSIONS, versions.versions, within={"batch": SYSTEM, "transaction": SYSTEM}),
)
"""Every operation, one row for each definition: several may have one name, each for its types."""


def _by_name(rows: Iterable[Operation]) -> Mapping[str, tuple[Operation, ...]]:
    found: dict[str, tuple[Operation, ...]] = {}
    for row in rows:
        found[row.name] = (*found.get(row.name, ()), row)
    return MappingProxyType(found)


OPERATIONS = _by_name(ROWS)
"""The rows by name (without `$`)."""


def find(name: str, invocation: Invocation) -> Operation:
    """The operation `name` (without `$`) for a call. Raises Unsupported by name, NotFound for an unknown type or id."""
    named = OPERATIONS.get(name)
    if named is None:
        raise unsupported(f"the operation ${name[:64]} is not supported")
    if invocation.type is not None:
        if invocation.id is not None:
            known_id(invocation.type, invocation.id)
        known_type(invocation.type)
    fitting = [operation for operation in named if operation.is_for(invocation.type)]
    if not fitting:
        raise unsupported(f"the operation ${name} is not for {invocation.type}")
    for operation in fitting:
        if invocation.level in operation.levels:
            return operation
    raise unsupported(f"the operation ${name} is not supported on the {invocation.level} level")


def methods(name: str, type_name: str | None) -> Collection[str]:
    """The methods that call the operation `name` on a type; none where there is no such operation."""
    found = (operation for operation in OPERATIONS.get(name, ()) if operation.is_for(type_name))
    return frozenset().union(*(operation.methods for operation in found))


def media(name: str) -> tuple[str, ...]:
    """The media types that the body of a call of `name` may have beside FHIR's."""
    return tuple(one for operation in OPERATIONS.get(name, ()) for one in operation.media)


async def run(
    operation: Operation, interactions: Interactions, access: AccessContext, invocation: Invocation
) -> bytes | Outcome:
    """Call an operation that was found. It is in the audit trail before its answer goes out.

    Its parameters are read first, as it declares them. What touches nothing that is stored is recorded here; other
    operations are recorded where they read or write.
    """
    called = msgspec.structs.replace(invocation, given=operation.read(invocation))
    result = await operation.run(interactions, access, called)
    if invocation.level in operation.pure:
        row = AuditRow(access.origin, "E", f"${operation.name}", entity=invocation.type)
        await aat_once(interactions.pool, one(record([row])))
    return result


def offered() -> tuple[Offered, ...]:
    """What the capability statement says of the operations."""
    return tuple(Offered(one.name, one.definition.url, one.levels, one.types) for one in ROWS)
