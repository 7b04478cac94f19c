"""FHIRPath Patch: operations on the elements that FHIRPath expressions name.

The patched resource is a new one and is not validated here. An operation that cannot be done is refused with its place
in the patch and the reason; then nothing of the patch is done.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.elements import fhir_type, is_structure
from healix_fhir.model.fhirpath.engine import Expression
from healix_fhir.model.fhirpath.evaluate.node import Node, Property, outermost, properties, root
from healix_fhir.model.patch.fhirpath_operation import Operation, operations, placed, refusal
from healix_fhir.model.patch.place import Content, Place, place_of, prune
from healix_fhir.model.patch.typed_value import content


def apply(resource: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`resource` after the patch in `parameters`.

    Raises Invalid for whatever is no patch or cannot be done, TooLarge beyond its limits.
    """
    return perform(resource, operations(parameters))


def perform(resource: Mapping[str, Any], steps: Sequence[Operation]) -> dict[str, Any]:
    """`resource` after operations that have been read, each on what the one before it has left."""
    patched: dict[str, Any] = _copy(resource)
    for operation in steps:
        try:
            OPERATIONS[operation.type](root(patched), operation)
        except HealixError as error:
            raise placed(error, operation.where) from error
    return patched


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _add(resource: Node, operation: Operation) -> None:
    """Append to a list, or set an element that is not there yet."""
    parent = _one(resource, operation, operation.path, "adding")
    holder, structure = _holder(parent, operation)
    places = _places(structure, operation.name.removesuffix("[x]"), operation)
    place, made = content(operation.value, places, operation.where)
    present = [other for other in places if other.key in holder or (other.beside and other.beside in holder)]
    if present and not place.repeats:
        raise refusal(
            operation.where, f"'{place.name}' is there already and does not repeat: replace it", code="duplicate"
        )
    target = Place(holder, place)
    target.write([*target.read(), _own(made)])


def _insert(resource: Node, operation: Operation) -> None:
    """Put into a list before the element at `index`, or at the end."""
    places, holder = _list(resource, operation, "inserting")
    place, made = content(operation.value, places, operation.where)
    target = Place(holder, place)
    contents = target.read()
    _within(operation, "index", operation.index, len(contents))
    contents.insert(operation.index, _own(made))
    target.write(contents)


def _delete(resource: Node, operation: Operation) -> None:
    """Remove the element, if there is one; what is empty without it goes too."""
    found = _found(resource, operation, operation.path)
    if not found:
        return
    node = _single(found, operation)
    place = place_of(_element(node, operation))
    contents = place.read()
    del contents[node.index or 0]
    place.write(contents)
    prune(node.parent)


def _replace(resource: Node, operation: Operation) -> None:
    """Put another value in the place of the element, in a choice perhaps of another type."""
    node = _element(_one(resource, operation, operation.path, "replacing"), operation)
    assert node.parent is not None
    old = place_of(node)
    places = properties(node.parent.structure, node.name)
    new, made = content(operation.value, places, operation.where)
    contents = old.read()
    contents[node.index or 0] = _own(made)
    if new.key != old.property.key:
        old.write([])
    Place(old.holder, new).write(contents)


def _move(resource: Node, operation: Operation) -> None:
    """Take an element out of its list and put it back elsewhere."""
    places, holder = _list(resource, operation, "moving")
    target = Place(holder, places[0])
    contents = target.read()
    _within(operation, "source", operation.source, len(contents) - 1)
    _within(operation, "destination", operation.destination, len(contents) - 1)
    contents.insert(operation.destination, contents.pop(operation.source))
    target.write(contents)


OPERATIONS: Mapping[str, Callable[[Node, Operation], None]] = MappingProxyType(
    {"add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move}
)


def _found(resource: Node, operation: Operation, expression: Expression) -> list[Node]:
    """What the path finds: elements of the resource itself, and nothing else."""
    found = expression.evaluate(resource.value)
    for node in found:
        if outermost(node).value is not resource.value:
            raise refusal(operation.where, f"{operation.path.text[:200]} finds what is no element of the resource")
    return found


def _one(resource: Node, operation: Operation, expression: Expression, doing: str) -> Node:
    found = _found(resource, operation, expression)
    if not found:
        raise refusal(operation.where, f"No content found at {expression.text[:200]} when {doing}", code="not-found")
    return _single(found, operation)


def _single(found: list[Node], operation: Operation) -> Node:
    if len(found) > 1:
        raise refusal(
            operation.where, f"{operation.path.text[:200]} finds {len(found)} elements", code="multiple-matches"
        )
    return found[0]


def _element(node: Node, operation: Operation) -> Node:
    if node.parent is None:
        raise refusal(operation.where, f"{operation.path.text[:200]} is the whole resource")
    return node


def _list(resource: Node, operation: Operation, doing: str) -> tuple[tuple[Property, ...], dict[str, Any]]:
    """The JSON properties of the list that the path names, which may be empty, and the object that has it."""
    above = operation.path.above()
    if above is None:
        raise refusal(operation.where, f"{operation.path.text[:200]} is no list: it ends with the name of one")
    base, name = above
    holder, structure = _holder(_one(resource, operation, base, doing), operation)
    places = _places(structure, name, operation)
    if not places[0].repeats:
        raise refusal(operation.where, f"'{name}' does not repeat")
    return places, holder


def _holder(node: Node, operation: Operation) -> tuple[dict[str, Any], str]:
    """The JSON object that has the children of `node`, and its structure; for a primitive the object beside it."""
    if isinstance(node.value, dict):
        return node.value, node.structure
    if node.parent is None or node.is_system:
        raise refusal(operation.where, f"{operation.path.text[:200]} has no elements")
    if isinstance(node.beside, dict):
        return node.beside, "Element"
    place = place_of(node)
    contents = place.read()
    beside: dict[str, Any] = {}
    contents[node.index or 0] = Content(node.value, beside)
    place.write(contents)
    return beside, "Element"


def _places(structure: str, name: str, operation: Operation) -> tuple[Property, ...]:
    places = properties(structure, name)
    if not places:
        named = fhir_type(structure) if is_structure(structure) and "." not in structure else structure
        raise refusal(operation.where, f"there is no element '{name[:64]}' in {named}")
    return places


def _within(operation: Operation, name: str, index: int, most: int) -> None:
    if index > most:
        raise refusal(operation.where, f"{name} {index} is beyond the list, which goes to {most}")


def _own(made: Content) -> Content:
    """A copy: the patch may be applied again, and what is patched must not change it."""
    return Content(_copy(made.value), _copy(made.beside))
