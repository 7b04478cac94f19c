"""The capabilities document as a tree of elements, written as WADL or as JSON.

Spec: PS3.18 8.9 and Annex H (2024d); Web Application Description Language, W3C submission of 31 August 2009
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

import msgspec

from dicomweb.api.capabilities.table import BASE, Table
from dicomweb.api.capabilities.transaction import Transaction

WADL = "application/vnd.sun.wadl+xml"
JSON = "application/json"
NAMESPACE = "http://wadl.dev.java.net/2009/02"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the document."""

    name: str
    attributes: Mapping[str, str]
    children: Sequence[Element] = ()


def document(base: str, methods: Sequence[tuple[str, str]], table: Table) -> Element:
    """The document of a service at `base` whose routes answer these methods (and addresses below the server's root)."""
    below: dict[str, list[tuple[str, str]]] = {}
    for method, path in methods:
        below.setdefault(path.removeprefix(BASE), []).append((method, path.removeprefix(BASE)))
    resources = [
        _resource(path, [(method, table[method, at]) for method, at in found]) for path, found in below.items()
    ]
    about = Element("doc", {"title": "Healix DICOMweb: PS3.18 2024d"})
    return Element("application", {}, [about, Element("resources", {"base": base}, resources)])


def _resource(path: str, methods: Sequence[tuple[str, Transaction]]) -> Element:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    placed = [Element("param", {"name": name, "style": "template", "required": "true"}) for name in names]
    described = [_method(method, transaction) for method, transaction in methods]
    return Element("resource", {"path": path.removeprefix("/")}, [*placed, *described])


def _method(method: str, asked: Transaction) -> Element:
    answers = [
        Element("response", {"status": " ".join(map(str, asked.done))}, [_body(kind) for kind in asked.gives]),
        Element("response", {"status": " ".join(map(str, asked.refused))}, [_body(JSON)]),
    ]
    request = Element("request", {}, list(_request(asked)))
    clause = f"PS3.18 {asked.clause}" if asked.clause else "not in PS3.18"
    doc = Element("doc", {"title": f"{asked.name}: {clause}"})
    return Element("method", {"name": method, "id": asked.id}, [doc, request, *answers])


def _request(asked: Transaction) -> Iterator[Element]:
    if asked.gives:
        yield _param("Accept", "header", asked.gives, default=asked.gives[0])
    for name, values in asked.parameters.items():
        yield _param(name, "query", values)
    yield from map(_body, asked.takes)


def _param(name: str, style: str, values: Sequence[str], *, default: str = "") -> Element:
    attributes = {"name": name, "style": style} | ({"default": default} if default else {})
    return Element("param", attributes, [Element("option", {"value": value}) for value in values])


def _body(kind: str) -> Element:
    return Element("representation", {"mediaType": kind})


def wadl(root: Element) -> bytes:
    """The document as WADL."""
    top = Element(root.name, {"xmlns": NAMESPACE, **root.attributes}, root.children)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_xml(top))).encode()


def _xml(element: Element) -> Iterator[str]:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in element.attributes.items())
    if not element.children:
        yield f"<{element.name}{attributes}/>\n"
        return
    yield f"<{element.name}{attributes}>\n"
    for child in element.children:
        yield from _xml(child)
    yield f"</{element.name}>\n"


def json(root: Element) -> bytes:
    """The same as JSON: an element is an object of its attributes, and of an array for each name of its children."""
    return msgspec.json.encode({root.name: _object(root)})


def _object(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = dict(element.attributes)
    for child in element.children:
        found.setdefault(child.name, []).append(_object(child))
    return found
