"""The operations that this server runs, by name and level; the capability statement is made from the same table.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import unsupported
from smart_auth.access import AccessContext


class Invocation(msgspec.Struct, frozen=True):
    """One call of an operation: the query's parameters and the body, at the level that `type` and `id` tell."""

    params: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    type: str | None = None
    id: str | None = None


Run = Callable[[Interactions, AccessContext, Invocation], Awaitable[bytes]]


class Operation(msgspec.Struct, frozen=True):
    """An operation: where it may be called, and what runs it. `run` returns the JSON of the answered resource."""

    name: str
    definition: str
    levels: frozenset[str]
    run: Run


OPERATIONS: Mapping[str, Operation] = MappingProxyType({})


def find(name: str, level: str) -> Operation:
    """The operation `name` (without `$`) at `level` (`system`, `type` or `instance`); Unsupported by name."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise unsupported(f"the operation ${name[:64]} is not supported")
    if level not in operation.levels:
        raise unsupported(f"the operation ${name} is not supported on the {level} level")
    return operation
