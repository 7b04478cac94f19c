"""The `div` of a narrative as it stands in the document: the same bytes, so that nothing of it changes.

Only where the div lives on a declaration of the XHTML namespace that stands further out, that declaration is added.

Spec: FHIR R4, hl7.org/fhir/R4/narrative.html
"""

from __future__ import annotations

import re

from healix_fhir.model.xml.slots import XHTML

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
        """The next element declares a namespace."""
        if self._begin is None:
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
        """The div begins at `position`."""
        outer = {prefix: uris[-1] for prefix, uris in self._scope.items() if uris and prefix not in self._own}
        self._added = b"".join(
            (b' xmlns="%s"' if prefix is None else b' xmlns:%s="%%s"' % prefix.encode()) % XHTML.encode()
            for prefix, uri in outer.items()
            if uri == XHTML
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
