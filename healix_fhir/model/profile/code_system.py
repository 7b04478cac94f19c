"""What a code system holds: whether a code is in it, and below which codes it stands.

Systems that are defined by a grammar rather than by a list (languages, media types, units) are answered by the grammar.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html, hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from healix_fhir.model.ucum.canonical import is_unit

Json = dict[str, Any]

LANGUAGE = re.compile(
    r"[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?|[xX](?:-[A-Za-z0-9]{1,8})+"
)
MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+\-]*/[A-Za-z0-9*][\w!#$&^.+\-]*(?:\s*;\s*[\w\-]+=(?:[^\s;\"]+|\"[^\"]*\"))*"
)

GRAMMARS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "urn:ietf:bcp:47": lambda code: LANGUAGE.fullmatch(code) is not None,
        "urn:ietf:bcp:13": lambda code: MEDIA_TYPE.fullmatch(code) is not None,
        "urn:ietf:rfc:3986": lambda code: not re.search(r"\s", code),
        "http://unitsofmeasure.org": is_unit,
    }
)
"""Spec: RFC 5646 2.1, RFC 6838 4.2, RFC 3986; UCUM"""


class CodeSystem:
    """The codes of one CodeSystem resource, with their parents and properties."""

    def __init__(self, body: Json) -> None:
        self.complete = body.get("content") == "complete"
        self.folds = body.get("caseSensitive") is False
        self.parents: dict[str, set[str]] = {}
        self.properties: dict[str, list[tuple[str, str]]] = {}
        self._add(body.get("concept", ()), None)

    def key(self, code: str) -> str:
        """`code` as this system writes it."""
        return code.lower() if self.folds else code

    def has(self, code: str) -> bool | None:
        """Whether the code exists; None where the list has gaps and the code is not in it."""
        return True if self.key(code) in self.parents else False if self.complete else None

    def is_below(self, code: str, ancestor: str) -> bool:
        """Whether `code` is a descendant of `ancestor`."""
        sought, seen = self.key(ancestor), set()
        open_ = list(self.parents.get(self.key(code), ()))
        while open_:
            parent = open_.pop()
            if parent == sought:
                return True
            if parent not in seen:
                seen.add(parent)
                open_ += self.parents.get(parent, ())
        return False

    def values(self, code: str, name: str) -> list[str]:
        """The values of a concept's property."""
        return [value for found, value in self.properties.get(self.key(code), ()) if found == name]

    def _add(self, concepts: Iterable[Any], parent: str | None) -> None:
        for concept in concepts:
            code, children, properties = _read(concept)
            key = self.key(code)
            self.parents.setdefault(key, set()).update(() if parent is None else (parent,))
            if properties:
                self.properties[key] = properties
                self.parents[key].update(
                    self.key(value) for name, value in properties if name in ("parent", "subsumedBy")
                )
            self._add(children, key)


def _read(concept: Any) -> tuple[str, Iterable[Any], list[tuple[str, str]]]:
    """Code, children and properties of a concept; a child named by a property is a code."""
    if isinstance(concept, str):
        return concept, (), []
    properties = []
    for entry in concept.get("property", ()):
        value = next((v for k, v in entry.items() if k.startswith("value")), None)
        if isinstance(value, dict):
            value = value.get("code")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        properties.append((str(entry.get("code")), text))
    children = [value for name, value in properties if name == "child"]
    return str(concept.get("code")), [*concept.get("concept", ()), *children], properties
