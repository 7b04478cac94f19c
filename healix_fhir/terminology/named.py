"""Codes with what they are called, of a code system in the tables, of one that is at hand, or of a grammar.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from healix_fhir.kernel.database import Work
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.terminology import concepts
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.content import Contents, Designation


class Named(msgspec.Struct, frozen=True):
    """A code that exists, and what it is called."""

    code: str
    display: str | None = None
    inactive: bool = False
    abstract: bool = False
    designations: tuple[Designation, ...] = ()

    def called(self, language: str | None) -> str | None:
        """What it is called, in a language where there is a name in it."""
        spoken = (one.value for one in self.designations if language and one.speaks(language))
        return next(spoken, self.display)

    def is_called(self, text: str) -> bool:
        """Whether a text is one of its names, but for case and spaces. What has no names may have any."""
        names = [name for name in (self.display, *(one.value for one in self.designations)) if name]
        return not names or _plain(text) in map(_plain, names)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def of_system(system: System, codes: Collection[str], *, designated: bool = True) -> Work[dict[str, Named]]:
    """Those of the codes that are in a code system of the tables; with their designations where these are needed."""
    found = yield from concepts.look_up(system, codes)
    numbers = [one.n for one in found.values()] if designated else []
    names = (yield from concepts.designations(system, numbers)) if numbers else {}
    return {
        code: Named(one.code, one.display, one.inactive, one.abstract, tuple(names.get(one.n, ())))
        for code, one in found.items()
    }


def of_contents(contents: Contents, codes: Collection[str]) -> dict[str, Named]:
    """Those of the codes that are in a code system that was sent."""
    key = contents.heading.key
    keys = {key(code): code for code in codes}
    return {
        keys[key(one.code)]: Named(one.code, one.display, one.inactive, one.abstract, one.designations)
        for one in contents.entries
        if key(one.code) in keys
    }


def of_grammar(url: str, codes: Collection[str]) -> dict[str, Named]:
    """Those of the codes that a system with a grammar allows; they have no names."""
    return {code: Named(code) for code in codes if GRAMMARS[url](code)}
