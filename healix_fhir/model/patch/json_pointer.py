"""Places in a JSON document.

Spec: RFC 6901
"""

from __future__ import annotations

import re
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError, invalid

Pointer = tuple[str, ...]
ESCAPED = re.compile("~[01]")
BAD_ESCAPE = re.compile("~(?![01])")
INDEX = re.compile("0|[1-9][0-9]{0,8}")
END = "-"
"""The place behind the last item of an array."""


def parse(text: object) -> Pointer:
    """The reference tokens of a pointer. Raises Invalid for what is none."""
    if not isinstance(text, str) or (text and not text.startswith("/")) or BAD_ESCAPE.search(text):
        raise invalid(f"'{str(text)[:100]}' is no JSON Pointer", code="structure")
    return tuple(ESCAPED.sub(_unescape, token) for token in text.split("/")[1:])


def _unescape(found: re.Match[str]) -> str:
    return "~" if found[0] == "~0" else "/"


def text_of(pointer: Pointer) -> str:
    """The pointer as it is written."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in pointer)


def absent(pointer: Pointer) -> HealixError:
    """The refusal of a place that does not exist."""
    return HealixError(
        Category.UNPROCESSABLE, f"the resource has nothing at {text_of(pointer)[:200]}", code="not-found"
    )


def value_at(document: Any, pointer: Pointer) -> Any:
    """What is at a place. Raises Unprocessable where nothing is."""
    value = document
    for token in pointer:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and INDEX.fullmatch(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            raise absent(pointer)
    return value
