"""Regular expressions, by RE2: their time grows with the text only, whatever the pattern is.

The specification asks for PCRE in single-line mode. RE2 has all of it but look-around and back-references, which are
refused: with them a pattern of a few characters can run for years.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#matchesregex--string--boolean
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from healix_fhir.kernel.errors import invalid, too_large
from healix_fhir.model.fhirpath.evaluate.scope import TEXT_LIMIT

PATTERN_LIMIT = 2000
MEMORY = 1024 * 1024
"""What one compiled pattern may take, its automaton included."""

REFERENCE = re.compile(r"\\(?P<escaped>.)|\$(?P<number>[0-9])|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}", re.DOTALL)
"""What a substitution holds besides text: an escaped character, `$1`, `${name}`."""


def matches(subject: str, pattern: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return _compiled(pattern).search(subject) is not None


def matches_full(subject: str, pattern: str) -> bool:
    """Whether the pattern describes the whole text."""
    return _compiled(pattern).fullmatch(subject) is not None


def replace(subject: str, pattern: str, substitution: str) -> str:
    """Each match replaced; an empty pattern matches nothing here, as the official suite has it."""
    if not pattern:
        return subject
    parts, end, size = [], 0, len(subject)
    for found in _compiled(pattern).finditer(subject):
        text = REFERENCE.sub(_reference(found), substitution)
        size += len(text)
        if size > TEXT_LIMIT:
            raise too_large(f"FHIRPath: a string may have {TEXT_LIMIT} characters")
        parts += [subject[end : found.start()], text]
        end = found.end()
    return "".join([*parts, subject[end:]])


def _reference(found: Any) -> Callable[[re.Match[str]], str]:
    def text(reference: re.Match[str]) -> str:
        if reference["escaped"] is not None:
            return reference["escaped"]
        try:
            return found.group(int(reference["number"]) if reference["number"] else reference["name"]) or ""
        except IndexError as error:
            raise invalid(f"FHIRPath: the pattern has no group {reference[0]}") from error

    return text


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    if len(pattern) > PATTERN_LIMIT:
        raise too_large(f"FHIRPath: a regular expression may have {PATTERN_LIMIT} characters")
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise invalid(f"FHIRPath: '{pattern[:64]}' is no regular expression that is supported here") from error
