"""What an XML document is, before it is read.

Spec: FHIR R4, hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

from healix_fhir.model.xml.slots import FHIR

LOOKED_AT = 65536  # bytes: a root begins in these


class _FoundError(Exception):
    """The root has begun, or cannot be there."""


def root_of(body: bytes) -> str | None:
    """The name of the root where it is an element of FHIR; None where it is another, or none can be read."""
    names: list[str] = []

    def start(name: str, _: object) -> None:
        names.append(name)
        raise _FoundError

    def doctype(*_: object) -> None:
        raise _FoundError

    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    with suppress(_FoundError, expat.ExpatError):
        parser.Parse(body[:LOOKED_AT], False)
    namespace, _, name = names[0].rpartition(" ") if names else ("", "", "")
    return name if namespace == FHIR else None
