"""A node of FHIRPath as a part of Parameters: a value of its type, a resource, or the parts that it consists of.

What has no data type of its own (a BackboneElement) is written like in FHIRPath Patch, as parts named by its elements.

Spec: FHIR R4, hl7.org/fhir/R4/parameters.html, hl7.org/fhir/R4/fhirpatch.html#operations
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import OPEN_TYPES, PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import Node, all_children
from healix_fhir.model.fhirpath.evaluate.quantity import IN_UCUM, UCUM, Quantity
from healix_fhir.model.primitives import PRIMITIVES as RULES

ABSENT = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "not-applicable"}]
}
"""What stands for the empty string, which FHIR does not write."""


def result_part(name: str, node: Node) -> dict[str, Any]:
    """The part called `name`."""
    value = node.value
    if node.is_system:
        return {"name": name} | _system(value)
    if node.type in PRIMITIVES and not isinstance(value, dict):
        return {"name": name} | _primitive(node)
    if node.type in TYPE_ID:
        return {"name": name, "resource": value}
    if node.type in OPEN_TYPES:
        return {"name": name, f"value{node.type}": value}
    parts = [result_part(child.name, child) for child in all_children(node)]
    return {"name": name, "part": parts} if parts else {"name": name}


def _primitive(node: Node) -> dict[str, Any]:
    key = _key(node.type)
    shown = {} if node.value is None else {key: node.value}
    return shown if node.beside is None else shown | {f"_{key}": node.beside}


def _key(type_name: str) -> str:
    """`value[x]` of a primitive; Parameters has none for XHTML."""
    return f"value{type_name[0].upper()}{type_name[1:]}" if type_name in OPEN_TYPES else "valueString"


def _system(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int):
        return {"valueInteger": value}
    if isinstance(value, Decimal):
        return {"valueDecimal": value}
    if isinstance(value, Moment):
        return _moment(value)
    if isinstance(value, Quantity):
        return {"valueQuantity": _quantity(value)}
    if isinstance(value, dict):
        return {"part": [{"name": name, "valueString": text} for name, text in value.items()]}
    return {"valueString": value} if value else {"_valueString": ABSENT}


def _moment(value: Moment) -> dict[str, Any]:
    """As a date, dateTime or time of FHIR where it is one; `T14:30` is none there."""
    named = value.kind[0].lower() + value.kind[1:]
    text = str(value)
    return {_key(named) if RULES[named].valid(text) else "valueString": text}


def _quantity(value: Quantity) -> dict[str, Any]:
    """A calendar duration is written with its UCUM unit of the same name."""
    if value.system != UCUM:
        return {"value": value.value, "unit": value.unit} | ({"system": value.system} if value.system else {})
    return {"value": value.value, "unit": value.unit, "system": UCUM, "code": IN_UCUM.get(value.calendar, value.unit)}
