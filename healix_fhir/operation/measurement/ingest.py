"""$ingest-measurements: readings of wearables, many at once, become Observations.

`POST [base]/$ingest-measurements` with compact JSON, NDJSON or CSV, or with Parameters. Each reading stands or falls by
itself: what is refused is told with its line, the others are kept. Sent again, a reading changes nothing; with another
value it corrects the first.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html, hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import too_large
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.measurement.keeping import DEVICE, OBSERVATION, Kept, Member, distinct, keep, sources
from healix_fhir.operation.measurement.reading import JSON, LINES, MOST, Reading, Refused, reading, readings
from healix_fhir.operation.reading import Declared
from healix_fhir.store.keys import server_key
from smart_auth.access import AccessContext
from smart_auth.patients import remember
from smart_auth.scope import Permission

GROUP = 500
"""Readings of one transaction."""
AT_ONCE = 2
"""Groups under way: while the database writes one, the next is made."""
TOLD = 1000
"""Refused readings that an answer lists; all are counted."""
DEVICES = 1000
"""Devices that one call may name."""

_PARTS = (
    into("device", "string", "The Device: its id, or an identifier as system|value", least=1),
    into("metric", "code", "What is measured: heart-rate, steps, blood-pressure, ...", least=1),
    into("time", "dateTime", "When, with the zone", least=1),
    into("value", "string", "The value; 120/80 for a blood pressure, samples with spaces between them", least=1),
    into("unit", "string", "In which unit; the metric's own without"),
    into("end", "dateTime", "When it ended, where it lasted"),
    into("period", "decimal", "Milliseconds between two samples"),
)
INGEST_MEASUREMENTS = own(
    "ingest-measurements",
    "Stores the readings of wearables as Observations, each once, however often it is sent.",
    Parameter("measurement", "in", 0, MANY, "A reading, where the body is no list of them", part=_PARTS),
    out("received", "integer", "Readings that came"),
    out("created", "integer", "Readings that are new"),
    out("updated", "integer", "Readings that were there with another value"),
    out("known", "integer", "Readings that were there, or came several times"),
    out("flagged", "integer", "Readings that are kept though they cannot be right"),
    out("refused", "integer", "Readings that cannot be used"),
    out("outcome", "OperationOutcome", "Why readings were refused: an issue for each, by its line", least=0),
    levels=("system",),
)


async def ingest(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """Keep what can be kept. Raises Forbidden, Invalid for a body that cannot be read, TooLarge."""
    access.require(DEVICE, Permission.READ)
    access.require(OBSERVATION, Permission.CREATE)
    usable, refused = await asyncio.to_thread(_read, invocation)
    received = len(usable) + len(refused)
    names = list(dict.fromkeys(one.device for one in usable))
    if len(names) > DEVICES:
        raise too_large(f"readings of more than {DEVICES} devices; send them in parts")
    found = await atransaction(interactions.pool, lambda: sources(access, names, interactions.bases))
    key = await atransaction(interactions.pool, lambda: server_key("measurement"))
    members, total = await asyncio.to_thread(distinct, key, usable, found)
    total.refused += refused
    groups = iter([members[start : start + GROUP] for start in range(0, len(members), GROUP)])
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(_keep(interactions, access, groups, total))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed  # what stopped one has stopped all
    return encode(_answer(received, total))


async def _keep(
    interactions: Interactions, access: AccessContext, groups: Iterator[Sequence[Member]], total: Kept
) -> None:
    """Store one group after the other until there is none left."""
    for group in groups:
        kept, patients = await interactions.writing.reviewed(
            access,
            lambda review, group=group: atransaction(  # type: ignore[misc]
                interactions.pool, lambda: keep(access, group, interactions.bases, review), aside=True
            ),
        )
        remember(patients)
        _add(total, kept)


class _Head(msgspec.Struct):
    """What tells a resource from other JSON."""

    resourceType: str  # noqa: N815 - the element's name


_head = msgspec.json.Decoder(_Head)
_declared = Declared(INGEST_MEASUREMENTS.code, INGEST_MEASUREMENTS.inputs)


def _is_list(invocation: Invocation) -> bool:
    """Whether the body is in a form of the operation's own, and no resource."""
    if invocation.content_type != JSON:
        return invocation.content_type in LINES
    try:
        _head.decode(invocation.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _read(invocation: Invocation) -> tuple[list[Reading], list[Refused]]:
    moment = clock.now()
    listed: Iterable[Reading | Refused]
    native = _is_list(invocation)
    given = _declared.read(invocation.params, b"" if native else invocation.body)
    if native:
        listed = readings(invocation.content_type, invocation.body, moment)
    else:
        parts = given.parts("measurement")
        if len(parts) > MOST:
            raise too_large(f"more than {MOST} readings; send them in parts")
        listed = (reading(number, _fields(part), moment) for number, part in enumerate(parts, 1))
    usable: list[Reading] = []
    refused: list[Refused] = []
    for one in listed:
        if isinstance(one, Refused):
            refused.append(one)
        else:
            usable.append(one)
    return usable, refused


def _fields(part: Given) -> dict[str, Any]:
    return {name: part.one(name) for name in part.arguments}


def _add(total: Kept, kept: Kept) -> None:
    total.created += kept.created
    total.updated += kept.updated
    total.known += kept.known
    total.flagged += kept.flagged
    total.refused += kept.refused


def _answer(received: int, kept: Kept) -> dict[str, Any]:
    counts = {
        "received": received,
        "created": kept.created,
        "updated": kept.updated,
        "known": kept.known,
        "flagged": kept.flagged,
        "refused": len(kept.refused),
    }
    parts: list[dict[str, Any]] = [{"name": name, "valueInteger": count} for name, count in counts.items()]
    if kept.refused:
        told = sorted(kept.refused, key=lambda one: one.number)[:TOLD]
        issues = [{"severity": "error", "code": "value", "diagnostics": f"{one.number}: {one.reason}"} for one in told]
        parts.append({"name": "outcome", "resource": {"resourceType": "OperationOutcome", "issue": issues}})
    return {"resourceType": "Parameters", "parameter": parts}
