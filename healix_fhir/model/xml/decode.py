"""FHIR XML to the objects that `model.json.decode` gives for the same resource.

One pass of expat, which reports lines, leaves the narrative's own bytes in reach, and needs no tree. A document type
is refused where it begins, so that no entity is ever declared; the encoding is UTF-8; depth and the number of issues
are capped. Comments and processing instructions are passed over, as JSON has no place for them.

Spec: FHIR R4, hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from typing import Any, NoReturn
from xml.parsers import expat

from healix_fhir.kernel.errors import Category, HealixError, Issue, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, RESOURCE
from healix_fhir.model.problems import LIMIT
from healix_fhir.model.xml.frames import Frame, Holder, Object, Primitive
from healix_fhir.model.xml.narrative_source import NarrativeSource
from healix_fhir.model.xml.slots import FHIR, XHTML, Slot

DEPTH = 128  # of elements; the 64 levels of JSON, which count arrays, need no more
SEPARATOR = " "


def decode(body: bytes) -> dict[str, Any]:
    """The resource that `body` holds, its keys in the order of the definitions.

    Raises Invalid with every issue that is XML's own (names, namespaces, order, text, attributes, values that are no
    boolean or number), each with its location and line. All else is the validation's.
    """
    return _Reader(body).read()


class _Reader:
    """The parser with the elements that are open."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._narrative = NarrativeSource(body)
        parser = self._parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartNamespaceDeclHandler = self._narrative.declare
        parser.EndNamespaceDeclHandler = self._narrative.undeclare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._open: list[Frame] = []
        self._root: dict[str, Any] | None = None
        self._opaque = 0  # elements open inside one that is not looked into: a narrative, or what was refused
        self._depth = 0
        self._issues: list[Issue] = []

    def read(self) -> dict[str, Any]:
        """Parse it all."""
        if b"\0" in self._body:  # expat would take it for UTF-16, whatever it is told
            _refuse("the XML must be in UTF-8")
        try:
            self._parser.Parse(self._body, True)
        except expat.ExpatError as error:
            if not self._body.strip():
                _refuse("the body is empty")
            _refuse(f"malformed XML: {expat.ErrorString(error.code)} (line {error.lineno}, column {error.offset + 1})")
        if self._issues:
            raise HealixError(Category.INVALID, self._issues[0].message, issues=tuple(self._issues))
        assert self._root is not None
        return self._root

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
            _refuse(f"the XML must be in UTF-8, not {encoding[:30]}")

    def _doctype(self, *_: object) -> None:
        _refuse("a document type is not allowed")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._opaque:
            self._opaque += 1
            self._narrative.fill()
        elif self._depth > DEPTH:
            _refuse(f"the XML is nested deeper than {DEPTH} elements")
        else:
            self._begin(*tag.rpartition(SEPARATOR)[::2], attributes)
        self._narrative.settle()

    def _begin(self, namespace: str, name: str, attributes: dict[str, str]) -> None:
        frame = self._child(namespace, name) if self._open else self._document(namespace, name)
        if frame is None:
            self._opaque = 1
            return
        self._open.append(frame)
        for problem in frame.attributes(attributes):
            self._problem(frame, frame.path, *problem)

    def _document(self, namespace: str, name: str) -> Frame | None:
        if namespace != FHIR:
            _refuse(f"the root must be in the namespace {FHIR}, not '{namespace[:60]}'")
        if name not in TYPE_ID:
            _refuse(f"'{name[:64]}' is no resource type of FHIR R4")
        return Object(name, name, resource=True)

    def _child(self, namespace: str, name: str) -> Frame | None:
        """The frame of a child of the innermost element; None for one that is not looked into."""
        parent = self._open[-1]
        if isinstance(parent, Holder):
            return self._resource(parent, namespace, name)
        slot = parent.slots.get(name)
        if slot is None or slot.attribute:
            return self._refused(parent, f"unknown element '{name[:64]}' in {parent.structure}")
        if namespace != (XHTML if slot.structure == "xhtml" else FHIR):
            return self._refused(parent, f"'{name}' is in the namespace '{namespace[:60]}'")
        path = parent.locate(slot)
        problem = parent.place(slot)
        if problem is not None:
            self._problem(parent, path, "structure", problem)
        return self._frame(slot, path)

    def _frame(self, slot: Slot, path: str) -> Frame | None:
        if slot.structure == "xhtml":
            self._narrative.start(self._parser.CurrentByteIndex)
            return None
        if slot.structure == RESOURCE:
            return Holder(path, slot)
        if slot.structure in PRIMITIVES:
            return Primitive(path, slot)
        return Object(path, slot.structure, slot)

    def _resource(self, holder: Holder, namespace: str, name: str) -> Frame | None:
        if namespace != FHIR or name not in TYPE_ID:
            return self._refused(holder, f"'{name[:64]}' is no resource type of FHIR R4")
        if holder.value is not None:
            return self._refused(holder, "holds more than one resource")
        return Object(holder.path, name, resource=True)

    def _refused(self, frame: Frame, message: str) -> Frame | None:
        """Report a child that is then not looked into."""
        self._problem(frame, frame.path, "structure", message)
        return None

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if self._opaque:
            self._opaque -= 1
            if not self._opaque and self._narrative.started:
                parent = self._open[-1]
                parent.add(parent.slots["div"], self._narrative.end(self._parser.CurrentByteIndex), None)
            return
        frame = self._open.pop()
        for problem in frame.finish():
            self._problem(frame, frame.path, *problem)
        if not self._open:
            assert isinstance(frame, Object)
            self._root = frame.value
        elif isinstance(holder := self._open[-1], Holder):
            holder.value = frame.value
        else:
            assert frame.slot is not None
            holder.add(frame.slot, frame.value, frame.sibling)

    def _text(self, text: str) -> None:
        if self._opaque:
            self._narrative.fill()
        if self._opaque or text.isspace():
            return
        frame = self._open[-1]
        if not frame.spoke:
            frame.spoke = True
            self._problem(
                frame, frame.path, "structure", "there must be no text; values stand in the attribute 'value'"
            )

    def _problem(self, frame: Frame, path: str, code: str, message: str) -> None:
        frame.faulty = True
        line = self._parser.CurrentLineNumber
        self._issues.append(Issue(code, f"{path}: {message} (line {line})", (path,)))
        if len(self._issues) == LIMIT:
            raise HealixError(Category.INVALID, self._issues[0].message, issues=tuple(self._issues))


def _refuse(message: str) -> NoReturn:
    raise invalid(message, code="structure")
