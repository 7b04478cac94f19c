"""Read the parameters of a call by what its operation declares: names, types, how often each may stand.

They come from the query, from a body that is a Parameters resource, or both; where one parameter is a resource, the
body may be that resource. What is not declared is refused by name, and so is what this server lacks.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html#request
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.kernel.errors import Category, HealixError, invalid, unsupported
from healix_fhir.model import validate as structure
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.model.places import Pointer
from healix_fhir.model.primitives import PRIMITIVES as RULES
from healix_fhir.operation.given import Argument, Given, Json

PARAMETERS = "Parameters"
RENDERING = frozenset({"_format", "_pretty"})
"""Parameters of every request, which the HTTP edge reads."""
ALIKE = (
    frozenset({"canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid"}),
    frozenset({"decimal", "integer", "positiveInt", "unsignedInt"}),
    frozenset({"date", "dateTime", "instant"}),
)
"""Types that stand for each other in a body, as they do in a query, when the value is one of the declared type."""
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?")


class Declared(msgspec.Struct, frozen=True):
    """What the operation `name` takes.

    `refused` are parameters that this server lacks. With `searches` it takes those of a search as well. `as_sent` are
    resources that may be anything but must be of a type; all others must have its structure.
    """

    name: str
    inputs: Mapping[str, Parameter]
    refused: frozenset[str] = frozenset()
    searches: bool = False
    as_sent: frozenset[str] = frozenset()

    def read(self, query: Iterable[tuple[str, str]], body: bytes, *, of_parameters: bool = False) -> Given:
        """The parameters of a call; with `of_parameters` a body that is a Parameters resource is what it is about.

        Raises Invalid, or Unsupported for what this server lacks; both name the parameter.
        """
        found: dict[str, list[Argument]] = defaultdict(list)
        further = []
        for name, text in query:
            if name in self.inputs:
                found[name].append(Argument(self._of_text(self.parameter(name), text)))
            elif self.searches:
                further.append((name, text))
            elif name not in RENDERING:
                raise self._unknown(name)
        if body.strip():
            self._take_body(decode(body), found, further, of_parameters=of_parameters)
        self._check_counts(self.inputs, found)
        return Given({name: tuple(values) for name, values in found.items()}, tuple(further))

    def parameter(self, name: str) -> Parameter:
        """A declared parameter. Raises Unsupported for one that this server lacks."""
        if name in self.refused:
            raise unsupported(f"${self.name}: the parameter '{name}' is not supported")
        return self.inputs[name]

    def _take_body(
        self,
        body: Json,
        found: dict[str, list[Argument]],
        further: list[tuple[str, str]],
        *,
        of_parameters: bool,
    ) -> None:
        whole = [name for name, one in self.inputs.items() if is_resource(one) and name not in self.refused]
        if body.get("resourceType") != PARAMETERS or of_parameters:
            if len(whole) != 1:
                raise invalid(f"${self.name} takes a Parameters resource", code="structure", expression=(PARAMETERS,))
            found[whole[0]].append(Argument(self._resource(self.inputs[whole[0]], body)))
            return
        issues = structure.validate(_shell(body), PARAMETERS)
        if issues:
            raise HealixError(Category.INVALID, "the Parameters resource is not valid", issues=issues)
        for number, part in enumerate(body.get("parameter", ())):
            name = part["name"]
            if name in self.inputs:
                found[name].append(self._of_part(self.parameter(name), part, ("parameter", number)))
            elif self.searches and isinstance(part.get("valueString"), str):
                further.append((name, part["valueString"]))
            else:
                raise self._unknown(name)

    def _of_part(self, parameter: Parameter, part: Json, place: Pointer) -> Argument:
        if parameter.part:
            return Argument(self._parts(parameter, part.get("part", []), place), place)
        if is_resource(parameter):
            if "resource" not in part:
                raise self._wrong(parameter.name, "is a resource")
            return Argument(self._resource(parameter, part["resource"]), (*place, "resource"))
        key = next((key for key in part if key.startswith("value")), "")
        if parameter.type not in RULES:
            if key != f"value{parameter.type}":
                raise self._wrong(parameter.name, f"has no value{parameter.type}")
            return Argument(part[key])
        type_name = parameter.type
        same = next((one for one in ALIKE if type_name in one), frozenset({type_name}))
        if key not in {f"value{one[0].upper()}{one[1:]}" for one in same}:
            raise self._wrong(parameter.name, f"has no value{type_name[0].upper()}{type_name[1:]}")
        return Argument(self._valid(parameter, part[key]))

    def _parts(self, parameter: Parameter, parts: Iterable[Json], place: Pointer) -> Given:
        inputs = {one.name: one for one in parameter.part}
        found: dict[str, list[Argument]] = defaultdict(list)
        for number, part in enumerate(parts):
            name = part["name"]
            if name not in inputs:
                raise self._unknown(f"{parameter.name}.{name}")
            found[name].append(self._of_part(inputs[name], part, (*place, "part", number)))
        self._check_counts(inputs, found, f"{parameter.name}.")
        return Given({name: tuple(values) for name, values in found.items()})

    def _resource(self, parameter: Parameter, resource: Any) -> Json:
        type_name = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(type_name, str) or type_name not in TYPE_ID:
            raise self._wrong(parameter.name, "is of no type of R4")
        if parameter.type not in {type_name, "Resource"}:
            raise self._wrong(parameter.name, f"is a {type_name}, not a {parameter.type}")
        if parameter.name not in self.as_sent and (issues := structure.validate(resource, type_name)):
            raise HealixError(
                Category.INVALID, f"${self.name}: '{parameter.name}' is not valid: {issues[0].message}", issues=issues
            )
        return resource  # type: ignore[no-any-return]

    def _of_text(self, parameter: Parameter, text: str) -> Any:
        if parameter.part or is_resource(parameter) or parameter.type not in RULES:
            raise self._wrong(parameter.name, "is not of a primitive type: send it in a Parameters resource")
        return self._valid(parameter, _value(parameter.type, text))

    def _valid(self, parameter: Parameter, value: Any) -> Any:
        rule = RULES[parameter.type]
        if not isinstance(value, rule.json) or (isinstance(value, bool) and bool not in rule.json):
            raise self._wrong(parameter.name, f"must be {rule.expected}")
        if not rule.valid(value):
            raise self._wrong(parameter.name, f"must be {rule.expected}")
        return value

    def _check_counts(
        self, inputs: Mapping[str, Parameter], found: Mapping[str, list[Argument]], within: str = ""
    ) -> None:
        for name, parameter in inputs.items():
            count = len(found.get(name, ()))
            if count < parameter.min:
                raise invalid(
                    f"${self.name} needs the parameter '{within}{name}'", code="required", expression=(within + name,)
                )
            if parameter.max != MANY and count > int(parameter.max):
                times = "once" if parameter.max == "1" else f"at most {parameter.max} times"
                raise self._wrong(within + name, f"may stand {times}")

    def _wrong(self, name: str, why: str) -> HealixError:
        return invalid(f"${self.name}: the parameter '{name}' {why}", code="value", expression=(name,))

    def _unknown(self, name: str) -> HealixError:
        return invalid(
            f"${self.name} does not take the parameter '{name[:64]}'",
            code="value",
            expression=("Parameters.parameter",),
        )


def is_resource(parameter: Parameter) -> bool:
    """Whether a parameter is a resource."""
    return parameter.type == "Resource" or parameter.type in TYPE_ID


def _value(type_name: str, text: str) -> Any:
    """What `text` stands for as a value of a primitive type; itself where it stands for none."""
    if type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if type_name == "decimal" and DECIMAL.fullmatch(text):
        return Decimal(text)
    if type_name in ("integer", "positiveInt", "unsignedInt") and INTEGER.fullmatch(text):
        return int(text)
    return text


def _shell(part: Any) -> Any:
    """A Parameters resource without the resources in it, which are no matter of its own structure."""
    if not isinstance(part, dict):
        return part
    return {
        key: [_shell(one) for one in value] if key in ("parameter", "part") and isinstance(value, list) else value
        for key, value in part.items()
        if key != "resource"
    }
