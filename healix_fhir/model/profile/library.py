"""The definitions that one process knows, and which of several with the same url is meant.

R4's own definitions are always there. Others are put in as they are asked for: `find` raises `NotLoadedError` for a url
that nobody has looked up yet; who drives the validation looks it up, puts in what there is, and begins again. So
validation itself is plain functions, and a warm library asks no database. Likewise with what
only terminology can answer: whether a code is in a value set of a loaded code system.

Precedence, for a canonical without a version: R4's own for urls under http://hl7.org/fhir/StructureDefinition, ValueSet
and CodeSystem, which nobody may replace; the package of the definition that refers to it; the packages that this one
depends on; the latest version of any package; R4's own; what was written over REST. A version, where given, is met.

Spec: FHIR R4, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import RLock
from typing import Any, TypeAlias

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.profile.answer import Answer
from healix_fhir.model.profile.definition import Definition, precedence, split
from healix_fhir.model.profile.element_tree import ElementNode, from_snapshot
from healix_fhir.model.profile.official import official
from healix_fhir.model.profile.snapshot import generate

FIXED = tuple(f"http://hl7.org/fhir/{kind}/" for kind in ("StructureDefinition", "ValueSet", "CodeSystem"))


CHAIN = 40
"""How many definitions may be based on each other."""


Question: TypeAlias = tuple[str, str | None, str]
"""Whether a value set, by its canonical, has a code of a system; None for whichever system it has the code from."""
ANSWERS = 50_000
"""Answers that a library holds before it begins anew."""


class NotLoadedError(Exception):
    """These urls have not been looked up yet for `library`, these questions not been answered."""

    def __init__(self, library: Library, urls: Iterable[str], questions: Iterable[Question] = ()) -> None:
        super().__init__("definitions are not loaded yet")
        self.library = library
        self.urls = frozenset(urls)
        self.questions = frozenset(questions)


class Library:
    """Definitions by url. `closed`: there is nothing more to load, what is not here does not exist."""

    def __init__(self, *, closed: bool = False) -> None:
        self._closed = closed
        self._known: dict[str, tuple[Definition, ...]] = {}
        self._trees: dict[Definition, ElementNode] = {}
        self._making: set[Definition] = set()
        self._lock = RLock()  # judgements of large resources run in threads
        self._answers: dict[Question, Answer] = {}
        self.compiled: dict[Any, Any] = {}
        """What others have made of the definitions; kept as long as they are."""

    def __len__(self) -> int:
        return len(self._known)

    def put(self, found: Mapping[str, Iterable[Definition]]) -> None:
        """Say what there is for some urls; nothing is an answer too."""
        for url, definitions in found.items():
            self._known[url] = tuple(sorted(definitions, key=lambda d: precedence(d.version), reverse=True))

    def put_answers(self, answers: Mapping[Question, Answer]) -> None:
        """Say what terminology answers; that it is not known is an answer too."""
        if len(self._answers) > ANSWERS:
            self._answers.clear()
        self._answers |= answers

    def unanswered(self, questions: Iterable[Question]) -> set[Question]:
        """Those of `questions` that would have to be asked."""
        return set() if self._closed else {question for question in questions if question not in self._answers}

    def answer(self, question: Question) -> Answer:
        """What terminology answers; None where that is not known."""
        return self._answers.get(question)

    def unknown(self, urls: Iterable[str]) -> set[str]:
        """Those of `urls` that would have to be looked up."""
        return set() if self._closed else {url for url in urls if url not in self._known and not _fixed(url)}

    def require(self, urls: Iterable[str]) -> None:
        """Raise NotLoadedError for those of `urls` that have not been looked up."""
        missing = self.unknown(urls)
        if missing:
            raise NotLoadedError(self, missing)

    def find(self, canonical: str, near: Definition | None = None) -> Definition | None:
        """The definition that `canonical`, standing in `near`, means; None when there is none."""
        url, version = split(canonical)
        own = official(url)
        if own is not None and _fixed(url) and version in ("", own.version):
            return own
        if not self._closed and url not in self._known:
            raise NotLoadedError(self, [url])
        candidates = list(self._known.get(url, ()))
        if own is not None:
            candidates.append(own)
        if version:
            candidates = [d for d in candidates if d.version == version or d.version.startswith(f"{version}.")]
        return min(candidates, key=lambda d: _rank(d, near), default=None)

    def structure(self, canonical: str, near: Definition | None = None) -> Definition:
        """The StructureDefinition that is meant. Raises Invalid where there is none."""
        found = self.find(canonical, near)
        if found is None or found.kind != "StructureDefinition":
            where = f", which {near.url} needs," if near else ""
            raise invalid(f"the StructureDefinition {canonical[:200]}{where} is not known", code="not-found")
        return found

    def tree(self, definition: Definition) -> ElementNode:
        """The snapshot of a StructureDefinition: as published, else made from its differential. Raises Invalid."""
        found = self._trees.get(definition)
        if found is not None:
            return found
        with self._lock:
            if definition in self._making:
                raise invalid(f"{definition.url} is based on itself")
            if len(self._making) > CHAIN:
                raise invalid(f"{definition.url} stands on more than {CHAIN} definitions, each based on the next")
            self._making.add(definition)
            try:
                found = self._trees[definition] = self._make(definition)
            finally:
                self._making.discard(definition)
        return found

    def _make(self, definition: Definition) -> ElementNode:
        elements = definition.body.get("snapshot", {}).get("element")
        if elements:
            return from_snapshot(elements)
        return generate(definition.body, lambda canonical: self.tree(self.structure(canonical, definition)))


def _fixed(url: str) -> bool:
    return url.startswith(FIXED) and official(url) is not None


def _rank(definition: Definition, near: Definition | None) -> int:
    """Lower is meant rather; among equals the first, which is the latest."""
    package, home = definition.package, near.package if near else None
    if package is None:
        return 3 if definition.official else 4
    if home is None:
        return 2
    if package == home:
        return 0
    return 1 if (package.name, package.version) in home.dependencies else 2
