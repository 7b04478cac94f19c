"""The operations of a FHIRPath Patch, as its Parameters resource writes them.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html#operations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from healix_fhir.kernel.errors import HealixError, invalid, too_large
from healix_fhir.model.fhirpath.engine import Expression, compile_expression

Part: TypeAlias = Mapping[str, Any]

LIMIT = 1000
"""The operations that one patch may have."""

VALUES = {"type": "valueCode", "path": "valueString", "name": "valueString"}
NUMBERS = ("index", "source", "destination")
PARTS: Mapping[str, frozenset[str]] = {
    "add": frozenset({"path", "name", "value"}),
    "insert": frozenset({"path", "index", "value"}),
    "delete": frozenset({"path"}),
    "replace": frozenset({"path", "value"}),
    "move": frozenset({"path", "source", "destination"}),
}
"""The parts of each operation beside its type; all of them are needed."""


class Operation(msgspec.Struct, frozen=True):
    """One operation. `where` is its place in the Parameters; `value` is the whole part, whose value is of some type."""

    where: str
    type: str
    path: Expression
    name: str = ""
    value: Part = {}
    index: int = 0
    source: int = 0
    destination: int = 0


def operations(parameters: Mapping[str, Any]) -> list[Operation]:
    """The operations in their order. Raises Invalid with the place and the reason for whatever is none."""
    if parameters.get("resourceType") != "Parameters":
        raise invalid("a FHIRPath Patch is a Parameters resource", code="structure", expression=("Parameters",))
    written = parameters.get("parameter", [])
    if not isinstance(written, list):
        raise refusal("Parameters.parameter", "must be an array", code="structure")
    if len(written) > LIMIT:
        raise too_large(f"a patch may have {LIMIT} operations")
    return [_operation(f"Parameters.parameter[{place}]", part) for place, part in enumerate(written)]


def refusal(where: str, message: str, *, code: str = "value") -> HealixError:
    """The refusal of what stands at `where`."""
    return invalid(f"{where}: {message}", code=code, expression=(where,))


def _operation(where: str, written: Any) -> Operation:
    if not isinstance(written, Mapping) or written.get("name") != "operation":
        raise refusal(where, "a patch has parameters of the name 'operation' only")
    parts = _parts(where, written.get("part"))
    kind = _value(where, parts.pop("type", None), "type")
    wanted = PARTS.get(kind)
    if wanted is None:
        raise refusal(where, f"'{kind[:32]}' is no patch operation: it is one of {', '.join(PARTS)}")
    if unknown := sorted(parts.keys() - wanted):
        raise refusal(where, f"{kind} does not take the part {unknown[0][:64]}")
    if missing := sorted(wanted - parts.keys()):
        raise refusal(where, f"{kind} needs the part {missing[0]}", code="required")
    return Operation(
        where,
        kind,
        _path(where, parts["path"]),
        _value(where, parts["name"], "name") if "name" in wanted else "",
        parts.get("value", {}),
        **{name: _number(where, parts[name], name) for name in NUMBERS if name in wanted},
    )


def _parts(where: str, written: Any) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for part in written if isinstance(written, list) else []:
        name = part.get("name") if isinstance(part, Mapping) else None
        if not isinstance(name, str):
            raise refusal(where, "each part has a name", code="structure")
        if name in found:
            raise refusal(where, f"the part {name[:64]} is there twice")
        found[name] = part
    return found


def _value(where: str, part: Part | None, name: str) -> str:
    if part is None:
        raise refusal(where, f"an operation needs the part {name}", code="required")
    text = part.get(VALUES[name])
    if not isinstance(text, str) or not text:
        raise refusal(where, f"the part {name} is a {VALUES[name]}")
    return text


def _path(where: str, part: Part) -> Expression:
    try:
        return compile_expression(_value(where, part, "path"))
    except HealixError as error:
        raise placed(error, where) from error


def placed(error: HealixError, where: str) -> HealixError:
    """A refusal with the place of its operation, which a path that cannot be evaluated does not know."""
    if error.message.startswith(where):
        return error
    return HealixError(error.category, f"{where}: {error.message}", code=error.issues[0].code, expression=(where,))


def _number(where: str, part: Part, name: str) -> int:
    number = part.get("valueInteger")
    if type(number) is not int or number < 0:
        raise refusal(where, f"the part {name} is a valueInteger that is not negative")
    return number
