"""An operation that this server runs: its definition, what runs it, and how it may be called.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from healix_fhir.model.operation_definition import OperationDefinition
from healix_fhir.model.primitives import PRIMITIVES
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation, Run
from healix_fhir.operation.reading import PARAMETERS, Declared


class Operation(msgspec.Struct, frozen=True):
    """An operation. `changes` tells that it may change what is stored.

    It is called with GET and POST where it changes nothing and needs no more than a query can hold, with POST
    otherwise; `by` are its methods where they are others. `within` has the levels on which it may be an entry of a
    `batch`, and of a `transaction`: there only where it tells nothing of resources that the transaction may change.
    `refused`, `searches` and `as_sent` are those of `reading.Declared`. With further `media` types of its body it reads
    address and body itself.
    """

    definition: OperationDefinition
    run: Run
    changes: bool = False
    by: frozenset[str] = frozenset()
    within: Mapping[str, frozenset[str]] = {}
    refused: frozenset[str] = frozenset()
    searches: bool = False
    as_sent: frozenset[str] = frozenset()
    media: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What stands behind the `$`."""
        return self.definition.code

    @property
    def levels(self) -> frozenset[str]:
        """On what it may be called."""
        return self.definition.levels

    @property
    def types(self) -> frozenset[str] | None:
        """The resource types that it is for; None for all."""
        return self.definition.types

    @property
    def methods(self) -> frozenset[str]:
        """The methods that call it."""
        if self.by:
            return self.by
        needed = [one for one in self.definition.inputs.values() if one.min > 0]
        simple = all(one.type in PRIMITIVES and not one.part for one in needed)
        return frozenset({"GET", "POST"} if simple and not self.changes else {"POST"})

    @property
    def pure(self) -> frozenset[str]:
        """The levels on which it touches nothing that is stored."""
        return self.within.get("transaction", frozenset())

    def is_for(self, type_name: str | None) -> bool:
        """Whether it is called on the type, or on none."""
        return type_name is None or self.types is None or type_name in self.types

    @property
    def declared(self) -> Declared:
        """What it takes."""
        return Declared(self.name, self.definition.inputs, self.refused, self.searches, self.as_sent)

    def read(self, invocation: Invocation) -> Given:
        """The parameters of a call; raises as `reading.Declared.read` does."""
        if self.media:
            return Given()
        return self.declared.read(invocation.params, invocation.body, of_parameters=invocation.type == PARAMETERS)

    def published(self) -> OperationDefinition:
        """Its definition as it is served: what the server refuses of it stands in the comment."""
        definition = self.definition
        refused = f"This server refuses: {', '.join(sorted(self.refused))}." if self.refused else ""
        comment = "\n\n".join(filter(None, (definition.comment, refused)))
        return msgspec.structs.replace(definition, affects_state=self.changes, comment=comment)
