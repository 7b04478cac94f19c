"""Equality and equivalence, of items and of collections, and the key by which equal items are found fast.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#equality
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import ROUND_HALF_UP, Decimal

from healix_fhir.model.fhirpath.evaluate import moment, quantity
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import Items, Node, all_children
from healix_fhir.model.fhirpath.evaluate.quantity import EXACT, Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Evaluation
from healix_fhir.model.fhirpath.evaluate.system import Value, value_of, values_of


def equal_items(left: Items, right: Items, evaluation: Evaluation) -> bool | None:
    """`=`: the same items in the same order; None when a side is empty or the answer is open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    evaluation.spend(len(left))
    answer: bool | None = True
    for ours, theirs in zip(left, right, strict=True):
        one = equal(ours, theirs, evaluation)
        if one is False:
            return False
        answer = answer and one
    return answer


def equal(left: Node, right: Node, evaluation: Evaluation) -> bool | None:
    """Whether two items are equal; None where dates or quantities leave it open."""
    ours, theirs = values_of(left, right)
    if ours is None or theirs is None:
        return ours is theirs and _equal_elements(left, right, evaluation)
    if type(ours) is str or type(ours) is bool or type(theirs) is bool:
        evaluation.spend_on(ours)
        return type(ours) is type(theirs) and ours == theirs
    if isinstance(ours, Moment):
        if not isinstance(theirs, Moment) or not moment.comparable(ours, theirs):
            return False
        order = moment.compare(ours, theirs)
        return None if order is None else order == 0
    if isinstance(ours, Quantity):
        return isinstance(theirs, Quantity) and _equal_quantities(ours, theirs)
    return isinstance(theirs, int | Decimal) and ours == theirs


def _equal_quantities(left: Quantity, right: Quantity) -> bool | None:
    values = quantity.align(left, right)
    return None if values is None else values[0] == values[1]


def _equal_elements(left: Node, right: Node, evaluation: Evaluation) -> bool:
    if left.value is right.value and left.beside is right.beside:
        return True
    return key(left, evaluation) == key(right, evaluation)


def key(node: Node, evaluation: Evaluation) -> Hashable:
    """What two items share exactly when they are equal beyond doubt."""
    value = value_of(node)
    if value is None:
        if node.type == "System.TypeInfo":
            return "type", *node.value.items()
        parts = [(child.name, key(child, evaluation)) for child in all_children(node)]
        evaluation.spend(len(parts))
        return frozenset(_grouped(parts).items())
    if type(value) is str:
        return value
    if type(value) is bool:
        return "boolean", value
    if isinstance(value, Moment):
        parts_in_utc, zoned = moment.normalized(value)
        return "moment", value.kind == "Time", zoned, parts_in_utc
    if isinstance(value, Quantity):
        return "quantity", *quantity.canonical(value)
    return "quantity", value, "1"  # as the Quantity that a number is equal to


def _grouped(parts: list[tuple[str, Hashable]]) -> dict[str, tuple[Hashable, ...]]:
    """The keys of the children by element name: the order of repeats counts, that of different elements does not."""
    groups: dict[str, list[Hashable]] = {}
    for name, part in parts:
        groups.setdefault(name, []).append(part)
    return {name: tuple(group) for name, group in groups.items()}


def equivalent_items(left: Items, right: Items, evaluation: Evaluation) -> bool:
    """`~`: the same items in any order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for ours in left:
        evaluation.spend(len(rest))
        found = next((place for place, theirs in enumerate(rest) if equivalent(ours, theirs, evaluation)), None)
        if found is None:
            return False
        del rest[found]
    return True


def equivalent(left: Node, right: Node, evaluation: Evaluation) -> bool:
    """Whether two items are equivalent: strings without case and spacing, numbers at the lesser precision."""
    ours, theirs = values_of(left, right)
    if ours is None or theirs is None:
        return ours is theirs and _equivalent_elements(left, right, evaluation)
    if type(ours) is str:
        evaluation.spend_on(ours, theirs)
        return type(theirs) is str and _folded(ours) == _folded(theirs)
    if type(ours) is bool or type(theirs) is bool:
        return ours is theirs
    return _equivalent_values(ours, theirs)


def _equivalent_values(left: Value, right: Value) -> bool:
    if isinstance(left, Moment):
        return isinstance(right, Moment) and moment.comparable(left, right) and moment.compare(left, right) == 0
    if isinstance(left, Quantity):
        values = quantity.align(_definite(left), _definite(right)) if isinstance(right, Quantity) else None
        return values is not None and _close(*values)
    return (
        isinstance(left, int | Decimal) and isinstance(right, int | Decimal) and _close(Decimal(left), Decimal(right))
    )


def _definite(value: Quantity) -> Quantity:
    """A calendar year or month is equivalent to the UCUM unit, though not equal to it."""
    unit = {"year": "a", "month": "mo"}.get(value.calendar)
    return value if unit is None else Quantity(value.value, unit)


def _close(left: Decimal, right: Decimal) -> bool:
    digits = min(_precision(left), _precision(right))
    return _rounded(left, digits) == _rounded(right, digits)


def _precision(value: Decimal) -> int:
    """The digits after the point, trailing zeros left out."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _rounded(value: Decimal, digits: int) -> Decimal:
    scaled = value.scaleb(digits, EXACT)
    return scaled.to_integral_value(ROUND_HALF_UP, EXACT)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _equivalent_elements(left: Node, right: Node, evaluation: Evaluation) -> bool:
    if left.value is right.value and left.beside is right.beside:
        return True
    ours, theirs = _children(left), _children(right)
    return ours.keys() == theirs.keys() and all(
        equivalent_items(children, theirs[name], evaluation) for name, children in ours.items()
    )


def _children(node: Node) -> dict[str, list[Node]]:
    if node.type == "System.TypeInfo":
        return {name: [Node(value, "System.String")] for name, value in node.value.items()}
    found: dict[str, list[Node]] = {}
    for child in all_children(node):
        found.setdefault(child.name, []).append(child)
    return found
