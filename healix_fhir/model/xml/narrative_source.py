"""The `div` of a narrative as it stands in the document: the same bytes, so that nothing of it changes.

Only where the div lives on a declaration of the XHTML namespace that stands further out, that declaration is added.

Spec: FHIR R4, hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

import re

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.xml.slots import XHTML

PREFIXES = 64
"""So many prefixes may be declared outside of narratives: each narrative looks at all of them."""
ADDED = 8
"""So many declarations may be added to a narrative: each narrative would grow by all of them."""
NAME = re.compile(rb"<[^\s/>]+")


class NarrativeSource:
    """Follows the declarations of namespaces, and cuts narratives out of `body`."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._scope: dict[str | None, list[str | None]] = {}
        self._own: list[str | None] = []  # prefixes that the element about to begin declares
        self._begin: int | None = None
        self._added = b""
        self._filled = False

    @property
    def started(self) -> bool:
        """Whether a narrative is open."""
        return self._begin is not None

    def declare(self, prefix: str | None, uri: str | None) -> None:
        """The next element declares a namespace. Raises Invalid for too many of them."""
        if self._begin is None:
            if len(self._scope) == PREFIXES and prefix not in self._scope:
                raise invalid(f"the XML declares more than {PREFIXES} namespace prefixes", code="too-costly")
            self._scope.setdefault(prefix, []).append(uri)
            self._own.append(prefix)

    def undeclare(self, prefix: str | None) -> None:
        """An element that declared a namespace has ended."""
        if self._begin is None:
            self._scope[prefix].pop()

    def settle(self) -> None:
        """An element has begun: what is declared from now on is another one's."""
        self._own.clear()

    def start(self, position: int) -> None:
        """The div begins at `position`. Raises Invalid where too many declarations stand further out."""
        outer = [
            prefix for prefix, uris in self._scope.items() if uris and prefix not in self._own and uris[-1] == XHTML
        ]
        if len(outer) > ADDED:
            raise invalid(f"a narrative stands under more than {ADDED} prefixes of XHTML", code="too-costly")
        self._added = b"".join(
            (b' xmlns="%s"' if prefix is None else b' xmlns:%s="%%s"' % prefix.encode()) % XHTML.encode()
            for prefix in outer
        )
        self._begin = position
        self._filled = False

    def fill(self) -> None:
        """There is an element or text inside."""
        self._filled = True

    def end(self, position: int) -> str:
        """The text of the div; `position` is where its end tag begins, or where it ends when it has none."""
        assert self._begin is not None
        if self._filled or not self._body.endswith(b"/>", 0, position):
            position = self._body.index(b">", position) + 1
        source = self._body[self._begin : position]
        self._begin = None
        name = NAME.match(source)
        assert name is not None
        return (name[0] + self._added + source[name.end() :]).decode()
