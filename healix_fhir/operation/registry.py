"""The operations that this server runs, by name and level; the capability statement is made from the same table.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from healix_fhir.interaction.accept import known_id, known_type
from healix_fhir.interaction.capabilities import Offered
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import aat_once, one
from healix_fhir.kernel.errors import unsupported
from healix_fhir.operation.break_glass import break_glass, end_break_glass
from healix_fhir.operation.fhirpath import fhirpath
from healix_fhir.operation.invocation import Invocation, Outcome, Run
from healix_fhir.operation.reindex import reindex
from healix_fhir.operation.validate import validate
from smart_auth.access import AccessContext


class Operation(msgspec.Struct, frozen=True):
    """An operation: its definition, on what it may be called, what runs it, and which methods call it.

    `within` has the levels on which it may be an entry of a `batch`, and of a `transaction`: there only where it tells
    nothing of resources that the transaction may change. `types` are those it is for, None for all.
    """

    name: str
    definition: str
    levels: frozenset[str]
    run: Run
    methods: frozenset[str] = frozenset({"POST"})
    within: Mapping[str, frozenset[str]] = {}
    types: frozenset[str] | None = None

    @property
    def pure(self) -> frozenset[str]:
        """The levels on which it touches nothing that is stored."""
        return self.within.get("transaction", frozenset())


PATIENT = frozenset({"Patient"})


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "break-glass": Operation(
            "break-glass", "urn:healix:operation:break-glass", frozenset({"instance"}), break_glass, types=PATIENT
        ),
        "end-break-glass": Operation(
            "end-break-glass",
            "urn:healix:operation:end-break-glass",
            frozenset({"instance"}),
            end_break_glass,
            types=PATIENT,
        ),
        "fhirpath": Operation(
            "fhirpath",
            "urn:healix:operation:fhirpath",
            frozenset({"system"}),
            fhirpath,
            within={"batch": frozenset({"system"}), "transaction": frozenset({"system"})},
        ),
        "reindex": Operation(
            "reindex",
            "urn:healix:operation:reindex",
            frozenset({"system"}),
            reindex,
            frozenset({"GET", "POST", "DELETE"}),
        ),
        "validate": Operation(
            "validate",
            "http://hl7.org/fhir/OperationDefinition/Resource-validate",
            frozenset({"type", "instance"}),
            validate,
            frozenset({"GET", "POST"}),
            {"batch": frozenset({"type", "instance"}), "transaction": frozenset({"type"})},
        ),
    }
)


def find(name: str, invocation: Invocation) -> Operation:
    """The operation `name` (without `$`) for a call. Raises Unsupported by name, NotFound for an unknown type or id."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise unsupported(f"the operation ${name[:64]} is not supported")
    if invocation.type is not None:
        if invocation.id is not None:
            known_id(invocation.type, invocation.id)
        known_type(invocation.type)
    if operation.types is not None and invocation.type is not None and invocation.type not in operation.types:
        raise unsupported(f"the operation ${name} is not for {invocation.type}")
    if invocation.level not in operation.levels:
        raise unsupported(f"the operation ${name} is not supported on the {invocation.level} level")
    return operation


async def run(
    operation: Operation, interactions: Interactions, access: AccessContext, invocation: Invocation
) -> bytes | Outcome:
    """Call an operation that was found. It is in the audit trail before its answer goes out.

    What touches nothing that is stored is recorded here; other operations are recorded where they read or write.
    """
    result = await operation.run(interactions, access, invocation)
    if invocation.level in operation.pure:
        row = AuditRow(access.origin, "E", f"${operation.name}", entity=invocation.type)
        await aat_once(interactions.pool, one(record([row])))
    return result


def offered() -> tuple[Offered, ...]:
    """What the capability statement says of the operations."""
    return tuple(Offered(one.name, one.definition, one.levels, one.types) for one in OPERATIONS.values())
