"""What full text looks through: the narrative of a resource (`_text`), and all texts in it (`_content`).

Texts are names, displays, codes, notes, values of identifiers and whatever else people read, also of contained
resources. Ids, references, dates, URLs and binary data are none: each has a parameter of its own, or nothing to read.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import re
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.narrative import text_of
from healix_fhir.search.words import vector

NO_TEXT = frozenset({"data", "div", "id", "meta", "reference", "resourceType", "system", "url", "valueBase64Binary"})
NO_PROSE = re.compile(r"https?://|urn:|.{4}-.{2}-.{2}(?:T|\Z)", re.DOTALL).match
"""How addresses and dates begin, which are strings too. One look for both: a resource has many strings."""


def full_text(resource: dict[str, Any], type_name: str) -> tuple[tuple[str | None, str], ...]:
    """The words of the narrative and of the whole resource; nothing for a resource without any."""
    mark = type_mark(TYPE_ID[type_name])
    texts: list[str] = []
    narrative = None
    div = _div(resource)
    if div is not None:
        texts.append(text_of(div))
        narrative = vector(tuple(texts), mark) or None
    _gather(resource, texts)
    content = vector(tuple(dict.fromkeys(texts)), mark)
    return ((narrative, content),) if content else ()


def type_mark(type_id: int) -> str:
    """A word that no text has and all resources of a type have."""
    return f"_{type_id}"


def _div(resource: dict[str, Any]) -> str | None:
    text = resource.get("text")
    return text.get("div") if type(text) is dict else None


def _gather(value: dict[str, Any], texts: list[str]) -> None:
    """Add the texts of an element; a narrative only of what is contained."""
    for name, one in value.items():
        if name in NO_TEXT:
            continue
        kind = type(one)
        if kind is str:
            if NO_PROSE(one) is None:
                texts.append(one)
        elif kind is dict:
            _gather(one, texts)
        elif kind is list:
            for item in one:
                if type(item) is dict:
                    if name == "contained" and (div := _div(item)) is not None:
                        texts.append(text_of(div))
                    _gather(item, texts)
                elif type(item) is str and NO_PROSE(item) is None:
                    texts.append(item)
