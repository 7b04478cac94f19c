"""Elements that have begun and not ended, each growing the JSON value that it stands for.

Spec: FHIR R4, hl7.org/fhir/R4/xml.html, hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from healix_fhir.model.xml.slots import Slot, slots
from healix_fhir.model.xml.values import read_value

Fault = tuple[str, str]
"""Issue code and message."""


class Frame:
    """An open element: its location, and its slot in the element around it (None for resources).

    Children are added to `content`; `value` is what the element is in the end, `sibling` what JSON keeps of a primitive
    in `_name`. `faulty`: something in it has been reported, so that it may be empty; `spoke`: its text has.
    """

    __slots__ = ("_latest", "content", "faulty", "path", "slot", "slots", "spoke", "structure", "value")

    def __init__(self, path: str, structure: str, slot: Slot | None, table: Mapping[str, Slot]) -> None:
        self.path = path
        self.structure = structure
        self.slot = slot
        self.slots = table
        self.content: dict[str, Any] = {}
        self.value: Any = None
        self.faulty = False
        self.spoke = False
        self._latest: Slot | None = None

    @property
    def sibling(self) -> dict[str, Any] | None:
        """See the class."""
        return None

    def attributes(self, given: Mapping[str, str]) -> Iterator[Fault]:
        """Take the attributes; what is wrong with them."""
        for name, text in given.items():
            if not text:
                yield "value", f"the attribute '{name[:64]}' is empty"
            elif (slot := self.slots.get(name)) is not None and slot.attribute:
                self.content[name] = text
            else:
                yield from self._other_attribute(name, text)

    def _other_attribute(self, name: str, _text: str) -> Iterator[Fault]:
        yield "structure", f"unknown attribute '{name.rpartition(' ')[2][:64]}'"

    def place(self, slot: Slot) -> str | None:
        """Note that a child comes in `slot`; why it may not come here."""
        before = self._latest
        if before is None or slot.position > before.position:
            self._latest = slot
            return None
        if slot.position < before.position:
            return f"'{slot.key}' is out of order: it comes before '{before.key}'"
        if slot.key != before.key:
            return f"'{slot.name}[x]' has several types"
        return None if slot.repeats else f"'{slot.key}' does not repeat"

    def locate(self, slot: Slot) -> str:
        """The location of the next child in `slot`."""
        path = f"{self.path}.{slot.name}"
        return f"{path}[{len(self.content.get(slot.key, ()))}]" if slot.repeats else path

    def add(self, slot: Slot, value: Any, sibling: Any) -> None:
        """A child in `slot` has ended."""
        key, beside = slot.key, f"_{slot.key}"
        if not slot.repeats:
            if value is not None:
                self.content[key] = value
            if sibling is not None:
                self.content[beside] = sibling
            return
        values = self.content.setdefault(key, [])
        if sibling is not None and beside not in self.content:
            self.content[beside] = [None] * len(values)
        values.append(value)
        if beside in self.content:
            self.content[beside].append(sibling)

    def finish(self) -> Iterator[Fault]:
        """The element has ended; what is wrong with it as a whole."""
        for beside in [key for key, value in self.content.items() if key[0] == "_" and type(value) is list]:
            if all(value is None for value in self.content[beside[1:]]):
                del self.content[beside[1:]]
        if self._is_empty() and not self.faulty:
            yield "structure", "an element must have a value, children or extensions"

    def _is_empty(self) -> bool:
        return not self.value


class Object(Frame):
    """A data type or backbone element, or with `resource` a whole resource."""

    __slots__ = ()

    def __init__(self, path: str, structure: str, slot: Slot | None = None, *, resource: bool = False) -> None:
        super().__init__(path, structure, slot, slots(structure))
        if resource:
            self.content["resourceType"] = structure
        self.value = self.content


class Primitive(Frame):
    """A primitive: its value is an attribute; id and extensions go to the sibling."""

    __slots__ = ()

    def __init__(self, path: str, slot: Slot) -> None:
        super().__init__(path, slot.structure, slot, slots("Element"))

    @property
    def sibling(self) -> dict[str, Any] | None:
        """Id and extensions."""
        return self.content or None

    def _other_attribute(self, name: str, text: str) -> Iterator[Fault]:
        if name != "value":
            yield from super()._other_attribute(name, text)
            return
        self.value = read_value(self.structure, text)
        if self.value is None:
            yield "value", f"'{text[:60]}' is no {self.structure}"

    def _is_empty(self) -> bool:
        return self.value is None and "extension" not in self.content


class Holder(Frame):
    """An element that holds one resource: it has no properties of its own."""

    __slots__ = ()

    def __init__(self, path: str, slot: Slot) -> None:
        super().__init__(path, slot.structure, slot, {})
