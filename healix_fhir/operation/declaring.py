"""Declare operations that R4 does not define: their OperationDefinitions, written where the operations are.

Spec: FHIR R4, hl7.org/fhir/R4/operationdefinition.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from healix_fhir.model.operation_definition import OperationDefinition, Parameter

ROOT = "urn:healix:operation:"
"""What the canonical urls of our own definitions begin with."""
Level = Literal["system", "type", "instance"]


def own(
    code: str,
    description: str,
    *parameters: Parameter,
    levels: Sequence[Level],
    resource: Sequence[str] = ("Resource",),
    url: str | None = None,
) -> OperationDefinition:
    """The definition of an operation `code` on `resource`; `url` where an implementation guide has given it one."""
    words = [word.capitalize() for word in code.split("-")]
    return OperationDefinition(
        id=f"{resource[0]}-{code}",
        url=url or f"{ROOT}{code}",
        name="".join(words),
        title=" ".join(words),
        status="active",
        kind="operation",
        code=code,
        description=description,
        resource=tuple(resource),
        system="system" in levels,
        type="type" in levels,
        instance="instance" in levels,
        parameter=parameters,
    )


def into(
    name: str, type_name: str, documentation: str, *, least: int = 0, most: str = "1", search: str = ""
) -> Parameter:
    """A parameter that goes in, from `least` to `most` times; with `search` a string like that type's of a search."""
    return Parameter(name, "in", least, most, documentation, type_name, search_type=search)


def out(name: str, type_name: str, documentation: str, *, least: int = 1, most: str = "1") -> Parameter:
    """A parameter that comes out."""
    return Parameter(name, "out", least, most, documentation, type_name)


def changed(
    definition: OperationDefinition, comment: str, *parameters: Parameter, levels: Sequence[Level] = ()
) -> OperationDefinition:
    """A definition of R4 as it runs here: `comment` says what differs.

    `parameters` are further ones, or take the places of those of their name; `levels` are those it has, if not all.
    """
    new = {(one.name, one.use): one for one in parameters}
    kept = [new.pop((one.name, one.use), one) for one in definition.parameter]
    called = levels or definition.levels
    return msgspec.structs.replace(
        definition,
        comment="\n\n".join(filter(None, (definition.comment, comment))),
        parameter=(*kept, *new.values()),
        system="system" in called,
        type="type" in called,
        instance="instance" in called,
    )
