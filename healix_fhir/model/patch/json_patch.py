"""JSON Patch on a resource: operations on the parsed JSON, in which decimals are exact.

What an operation leaves behind empty (an array whose last item is removed) goes away at the end, for FHIR has no empty
arrays and objects. A patch is malformed when it could not be applied to any document (Invalid); it is not applicable
(Unprocessable) when this resource has no such place; a failed `test` is a Conflict.

Spec: RFC 6902; FHIR R4, hl7.org/fhir/R4/http.html#patch
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.json import DEPTH, check_depth, decode_array
from healix_fhir.model.patch.json_pointer import END, INDEX, Pointer, absent, parse, text_of, value_at

OPERATIONS = 10_000
COPIED = 100_000
"""So many values may be copied in all: each copy could otherwise double the document."""
DUPLICATED = 16 * 1024 * 1024
"""So many characters may be copied from the document itself, where a few bytes of patch stand for all of them."""


class Operation(msgspec.Struct, frozen=True):
    """One step. `source` is `from`; `value` is None where the operation has none."""

    op: str
    path: Pointer
    source: Pointer = ()
    value: Any = None


def read(body: bytes) -> tuple[Operation, ...]:
    """The operations of a patch document. Raises Invalid where it is malformed."""
    listed = decode_array(body)
    if len(listed) > OPERATIONS:
        raise invalid(f"a patch takes at most {OPERATIONS} operations", code="too-costly")
    operations = []
    for number, item in enumerate(listed):
        with _located(number):
            operations.append(_operation(item))
    return tuple(operations)


def _operation(item: object) -> Operation:
    if not isinstance(item, dict):
        raise invalid("an operation is a JSON object", code="structure")
    op = item.get("op")
    if not isinstance(op, str) or op not in STEPS:
        raise invalid(f"op is one of {', '.join(STEPS)}, not '{str(op)[:32]}'", code="structure")
    if "path" not in item:
        raise invalid("the operation has no path", code="structure")
    made = Operation(op, parse(item["path"]))
    if op in ("add", "replace", "test"):
        if "value" not in item:
            raise invalid(f"{op} needs a value", code="structure")
        return msgspec.structs.replace(made, value=item["value"])
    if op in ("move", "copy"):
        if "from" not in item:
            raise invalid(f"{op} needs a from", code="structure")
        made = msgspec.structs.replace(made, source=parse(item["from"]))
        if op == "move" and len(made.source) < len(made.path) and made.path[: len(made.source)] == made.source:
            raise invalid("nothing can be moved into itself", code="structure")
    return made


def apply(resource: dict[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """`resource`, which is changed in place, after all operations. Raises Unprocessable or Conflict."""
    document = Document(resource)
    for number, operation in enumerate(operations):
        with _located(number):
            STEPS[operation.op](document, operation)
    return document.result()


@contextmanager
def _located(number: int) -> Iterator[None]:
    """A refusal inside names the operation by its position from 0."""
    try:
        yield
    except HealixError as error:
        raise HealixError(error.category, f"operation {number}: {error.message}", code=error.issues[0].code) from error


class Document:
    """A document under change."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied = 0
        self._duplicated = 0
        self._emptied: dict[int, Any] = {}

    def add(self, pointer: Pointer, value: Any) -> None:
        """Put `value` at a place: a member is set, an item goes before the one that is there."""
        if not pointer:
            self.root = value
            return
        parent, token = self._parent(pointer)
        if isinstance(parent, dict):
            parent[token] = value
        elif token == END:
            parent.append(value)
        elif INDEX.fullmatch(token) and int(token) <= len(parent):
            parent.insert(int(token), value)
        else:
            raise absent(pointer)

    def remove(self, pointer: Pointer) -> Any:
        """Take away what is at a place, and give it."""
        value = value_at(self.root, pointer)
        if not pointer:
            self.root = None
            return value
        parent, token = self._parent(pointer)
        parent.pop(token if isinstance(parent, dict) else int(token))
        if not parent:
            self._emptied[id(parent)] = parent
        return value

    def replace(self, pointer: Pointer, value: Any) -> None:
        """Put `value` in the place of what is there."""
        value_at(self.root, pointer)
        if not pointer:
            self.root = value
            return
        parent, token = self._parent(pointer)
        parent[token if isinstance(parent, dict) else int(token)] = value

    def copy(self, value: Any, depth: int = 0) -> Any:
        """A copy of `value` that shares nothing with it. Raises Unprocessable when too much is copied."""
        self._copied += 1
        if self._copied > COPIED or depth > DEPTH:
            raise _oversized()
        if isinstance(value, dict):
            return {key: self.copy(item, depth + 1) for key, item in value.items()}
        return [self.copy(item, depth + 1) for item in value] if isinstance(value, list) else value

    def duplicate(self, value: Any) -> Any:
        """A copy of what is in the document. Raises Unprocessable when too much is copied."""
        made = self.copy(value)
        self._duplicated += _characters(made)
        if self._duplicated > DUPLICATED:
            raise _oversized()
        return made

    def result(self) -> dict[str, Any]:
        """The resource, without what the patch has emptied."""
        if not isinstance(self.root, dict):
            raise HealixError(Category.UNPROCESSABLE, "the patch leaves no resource", code="structure")
        check_depth(self.root)
        if self._emptied:
            self._prune(self.root)
        return self.root

    def _parent(self, pointer: Pointer) -> tuple[Any, str]:
        parent = value_at(self.root, pointer[:-1])
        if not isinstance(parent, dict | list):
            raise absent(pointer)
        return parent, pointer[-1]

    def _prune(self, value: Any) -> bool:
        """Drop emptied containers below `value`; whether `value` is one now."""
        if isinstance(value, dict):
            dropped = [key for key, item in value.items() if self._prune(item)]
            for key in dropped:
                del value[key]
        elif isinstance(value, list):
            kept = [item for item in value if not self._prune(item)]
            dropped = ["item"] * (len(value) - len(kept))
            value[:] = kept
        else:
            return False
        return not value and (bool(dropped) or id(value) in self._emptied)


def _characters(value: Any) -> int:
    """The characters of all strings and names in `value`."""
    if isinstance(value, dict):
        return sum(len(key) + _characters(item) for key, item in value.items())
    if isinstance(value, list):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 0


def _oversized() -> HealixError:
    return HealixError(Category.UNPROCESSABLE, "the patch makes too large a resource", code="too-costly")


def _add(document: Document, step: Operation) -> None:
    document.add(step.path, document.copy(step.value))


def _remove(document: Document, step: Operation) -> None:
    document.remove(step.path)


def _replace(document: Document, step: Operation) -> None:
    document.replace(step.path, document.copy(step.value))


def _move(document: Document, step: Operation) -> None:
    document.add(step.path, document.remove(step.source))


def _copy(document: Document, step: Operation) -> None:
    document.add(step.path, document.duplicate(value_at(document.root, step.source)))


def _test(document: Document, step: Operation) -> None:
    if not _equal(value_at(document.root, step.path), step.value):
        raise HealixError(
            Category.CONFLICT, f"the value at {text_of(step.path)[:200] or 'the root'} is not the one tested for"
        )


def _equal(one: Any, other: Any) -> bool:
    """Equality as of RFC 6902 4.6: numbers by value, objects whatever the order of their members."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


STEPS: Mapping[str, Callable[[Document, Operation], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
