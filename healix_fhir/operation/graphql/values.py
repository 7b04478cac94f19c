"""The arguments of a field: texts, whole numbers and truth values, written out or in variables.

FHIR's page writes codes, ids and numbers without quotation marks (`name(use: official)`, `_id: [1, example]`): an
argument that is a text takes whatever can be written as one.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#list, #searching
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from graphql import language

from healix_fhir.model.json import number_text
from healix_fhir.operation.graphql.document import wrong

VALUES = 200
"""Values of one argument."""
LARGEST = 1_000_000

Given = Mapping[str, tuple[language.ArgumentNode, Any]]
"""Arguments by name: where each stands, and what it is; those that are null are left out."""

WRITTEN = (
    language.BooleanValueNode,
    language.StringValueNode,
    language.EnumValueNode,
    language.IntValueNode,
    language.FloatValueNode,
)


def given(node: language.FieldNode | language.DirectiveNode, variables: Mapping[str, Any]) -> Given:
    """The arguments of a field or directive."""
    found = ((one.name.value, one, _value(one.value, variables)) for one in node.arguments or ())
    return {name: (one, value) for name, one, value in found if value is not None}


def known(arguments: Given, names: Iterable[str], field: str) -> None:
    """Refuse (Invalid) an argument of any other name."""
    allowed = frozenset(names)
    for name, (node, _) in arguments.items():
        if name not in allowed:
            raise wrong(node, f"'{field}' takes no argument '{name[:64]}'")


def text(arguments: Given, name: str) -> str | None:
    """The value of an argument that is one text."""
    found = texts(arguments, name)
    if len(found) > 1:
        raise wrong(arguments[name][0], f"'{name}' takes one value")
    return found[0] if found else None


def texts(arguments: Given, name: str) -> list[str]:
    """The values of an argument that is a text or a list of them."""
    if name not in arguments:
        return []
    node, value = arguments[name]
    values = value if isinstance(value, list) else [value]
    if len(values) > VALUES:
        raise wrong(node, f"'{name}' takes at most {VALUES} values")
    return [_text(node, name, one) for one in values]


def whole(arguments: Given, name: str) -> int | None:
    """The value of an argument that is a number of things."""
    if name not in arguments:
        return None
    node, value = arguments[name]
    digits = _text(node, name, value) if not isinstance(value, list) else ""
    if not digits.isascii() or not digits.isdecimal() or len(digits) > len(str(LARGEST)):
        raise wrong(node, f"'{name}' is a whole number up to {LARGEST}")
    return int(digits)


def flag(arguments: Given, name: str) -> bool:
    """The value of an argument that is true or false; false without it."""
    if name not in arguments:
        return False
    node, value = arguments[name]
    if not isinstance(value, bool):
        raise wrong(node, f"'{name}' is true or false")
    return value


def _text(node: language.ArgumentNode, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return number_text(value)
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str):
        raise wrong(node, f"'{name}' takes a text")
    return value


def _value(node: language.ValueNode, variables: Mapping[str, Any]) -> Any:
    """What a value stands for: numbers as they are written, objects as what nothing takes."""
    if isinstance(node, language.VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, language.ListValueNode):
        return [_value(one, variables) for one in node.values]
    if isinstance(node, WRITTEN):
        return node.value
    return None if isinstance(node, language.NullValueNode) else node
