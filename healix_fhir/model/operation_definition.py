"""The OperationDefinition as a value: what an operation is called on, and which parameters it takes and gives.

Written with msgspec it is the resource. R4's own are read from the distilled definitions.

Spec: FHIR R4, hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal

import msgspec

from healix_fhir.model.data_files import read

MANY = "*"
"""The `max` of a parameter that repeats without bound."""


class Binding(msgspec.Struct, frozen=True, rename="camel"):
    """The value set that the codes of a parameter are of."""

    strength: str
    value_set: str


class Parameter(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A parameter, or a part of one; without a `type` it has parts."""

    name: str
    use: Literal["in", "out"]
    min: int
    max: str
    documentation: str = ""
    type: str = ""
    target_profile: tuple[str, ...] = ()
    search_type: str = ""
    binding: Binding | None = None
    part: tuple[Parameter, ...] = ()


class OperationDefinition(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="resourceType", tag=True
):
    """The elements of R4 that definitions use here, in its order."""

    id: str
    url: str
    name: str
    status: str
    kind: str
    code: str
    system: bool
    type: bool
    instance: bool
    version: str = ""
    title: str = ""
    date: str = ""
    publisher: str = ""
    description: str = ""
    affects_state: bool | None = None
    comment: str = ""
    resource: tuple[str, ...] = ()
    parameter: tuple[Parameter, ...] = ()

    @property
    def levels(self) -> frozenset[str]:
        """On what it may be called: `system`, `type`, `instance`."""
        called = {"system": self.system, "type": self.type, "instance": self.instance}
        return frozenset(level for level, is_called in called.items() if is_called)

    @property
    def inputs(self) -> Mapping[str, Parameter]:
        """The parameters that go in, by name."""
        return {parameter.name: parameter for parameter in self.parameter if parameter.use == "in"}

    @property
    def types(self) -> frozenset[str] | None:
        """The resource types that it is for; None for all."""
        return None if set(self.resource) & {"Resource", "DomainResource"} else frozenset(self.resource)


def standard(id_: str) -> OperationDefinition:
    """The definition of R4 with an id such as `Patient-everything`; KeyError where there is none."""
    return standards()[id_]


@cache
def standards() -> Mapping[str, OperationDefinition]:
    """Every definition of R4 by id."""
    return MappingProxyType(msgspec.json.decode(read("operations.json.gz"), type=dict[str, OperationDefinition]))
