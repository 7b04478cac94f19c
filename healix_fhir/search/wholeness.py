"""What is said while resources are still indexed by an older version of this program.

A new version may make index rows that older resources lack until the run that it starts has ended. A search that looks
at such rows may then miss some, and says so.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.custom import current
from healix_fhir.search.controls import CONTROLS
from healix_fhir.search.params.indexed import COLUMNS
from healix_fhir.search.searched import Searched

ALL = frozenset({"every parameter but _id and _lastUpdated"})
MADE: Mapping[int, frozenset[str]] = {
    1: ALL,
    2: frozenset({"_content", "_text"}),
    3: frozenset({"_contained"}),
    4: frozenset(),
    5: frozenset({":above", ":below", ":in", ":not-in"}),
}
"""By version of the index (search/reindex.VERSION): the parameters and modifiers whose rows it was the first to make.

4 made the rows of Consents and security labels, which no parameter reads.
"""
RETRY_AFTER = 60
"""Seconds after which the index may be whole."""
INCLUDES = ("_include", "_revinclude")
ANY = "_filter"
"""A parameter whose value may name every other one."""


def lacking() -> frozenset[str]:
    """The parameters whose rows some resources may lack."""
    indexed = current().indexed
    if indexed is None:
        return frozenset()
    made = [codes for version, codes in MADE.items() if version > indexed]
    return ALL if ALL in made else frozenset[str]().union(*made)


def not_whole(codes: frozenset[str]) -> str:
    """What is said of them."""
    return (
        "the search index is being written anew after an update of the server; until that has ended, a search by"
        f" {' or '.join(sorted(codes))} may miss resources"
    )


def warnings(searched: Searched, params: Iterable[tuple[str, str]]) -> tuple[Issue, ...]:
    """The warning, where what a search finds depends on rows that may be lacking."""
    codes = lacking()
    if not codes or not _asks(codes, searched, params):
        return ()
    return (Issue("incomplete", not_whole(codes), severity="warning"),)


def check_whole(ignored: Iterable[Issue]) -> None:
    """Raise Unavailable where a strict search says that it may miss matches: what is decided or computed by it may be
    wrong for good.
    """
    for issue in ignored:
        raise HealixError(Category.UNAVAILABLE, issue.message, code="incomplete", retry_after=RETRY_AFTER)


def _asks(codes: frozenset[str], searched: Searched, params: Iterable[tuple[str, str]]) -> bool:
    names = [name for name, _ in params]
    if codes != ALL:
        return any(name == ANY or codes & _named(name) for name in names)
    return bool(searched.owner) or any(
        name.startswith(INCLUDES) or (name not in CONTROLS and name.partition(":")[0] not in COLUMNS) for name in names
    )


def _named(name: str) -> set[str]:
    """The codes and the modifiers, with their colons, in the name of a parameter."""
    return {*re.split("[.:]", name), *re.findall(":[a-z-]+", name)}
