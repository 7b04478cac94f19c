"""`_text` and `_content` as conditions: the words of the narrative, or of the whole resource.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

from collections.abc import Mapping

from healix_fhir.kernel.errors import invalid
from healix_fhir.search.nodes import Corpus, Node, Not, Words
from healix_fhir.search.text_query import TextQueryError, text_query

FULL_TEXT: Mapping[str, Corpus] = {"_content": Corpus.CONTENT, "_text": Corpus.NARRATIVE}
"""The parameters, which resources of every type have."""


def full_text(name: str, value: str) -> Node:
    """The condition of `name=value`, where `name` is one of `FULL_TEXT` with its modifier: `:missing` or none."""
    code, colon, modifier = name.partition(":")
    corpus = FULL_TEXT[code]
    if modifier == "missing":
        if value not in ("true", "false"):
            raise invalid(f"{name}: '{value[:100]}' is not true or false", code="value")
        return Not(Words(corpus)) if value == "true" else Words(corpus)
    if colon:
        raise invalid(f"{code}: ':{modifier[:50]}' is no modifier of a full-text parameter", code="value")
    try:
        return Words(corpus, text_query(value))
    except TextQueryError as problem:
        raise invalid(f"{code}: '{value[:100]}' cannot be looked for: {problem}", code="value") from problem
