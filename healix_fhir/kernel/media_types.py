"""Media types and media ranges as HTTP writes them: parsed once, for Accept, Content-Type and the parts of a multipart.

Spec: RFC 9110 8.3.1, 12.5.1; RFC 2045 5.1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from healix_fhir.kernel.errors import invalid

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
TYPE = re.compile(rf"\s*({WORD})/({WORD})\s*")
# a value may hold "/" unquoted: DICOM clients write type=application/dicom, which RFC 2045 forbids and everyone sends
PARAMETER = re.compile(rf';\s*(?:({WORD})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]+)\s*)?')
READABLE = re.compile(TYPE.pattern + r"(?:;|$)")
RANGES = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')
ESCAPE = re.compile(r"\\(.)")
WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type or range: `name` is `type/subtype` in lower case, `q` its weight in an Accept list."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    q: float = 1.0

    def covers(self, name: str) -> bool:
        """Whether this range contains the media type `name`, parameters aside."""
        return self.name in (name, "*/*") or (self.name.endswith("/*") and name.startswith(self.name[:-1]))


@lru_cache(maxsize=512)
def parse_media_type(text: str) -> MediaType:
    """A Content-Type. Raises Invalid when it is none."""
    found, rest = _read(text[:LONGEST])
    if rest or len(text) > LONGEST:
        raise invalid("the media type cannot be read", code="structure")
    return found


@lru_cache(maxsize=512)
def parse_accept(text: str) -> tuple[MediaType, ...]:
    """The ranges of an Accept list, most wanted first, equals in their order; those with `q=0` are at the end.

    Raises Invalid for what is no such list.
    """
    if len(text) > LONGEST:
        raise invalid("the list of accepted media types is too long", code="structure")
    ranges = []
    while text.strip(" \t,"):
        found, text = _read(text.lstrip(" \t,"))
        ranges.append(found)
        if text and not text.startswith(","):
            raise invalid("the list of accepted media types cannot be read", code="structure")
    return tuple(sorted(ranges, key=lambda media: -media.q))


@lru_cache(maxsize=512)
def parse_readable(text: str) -> tuple[MediaType, ...]:
    """The same, without what cannot be read of it: a range that is none, a parameter, a weight.

    Raises Invalid for a list that is too long.
    """
    if len(text) > LONGEST:
        raise invalid("the list of accepted media types is too long", code="structure")
    ranges = [_read(one, strict=False)[0] for one in RANGES.findall(text) if READABLE.match(one)]
    return tuple(sorted(ranges, key=lambda media: -media.q))


def _read(text: str, *, strict: bool = True) -> tuple[MediaType, str]:
    """The media type at the beginning of `text`, and what follows it."""
    match = TYPE.match(text)
    if match is None:
        raise invalid("the media type cannot be read", code="structure")
    name, position = f"{match[1]}/{match[2]}".lower(), match.end()
    parameters: dict[str, str] = {}
    q = 1.0
    while one := PARAMETER.match(text, position):
        position = one.end()
        if one[1] is None:
            continue
        key = one[1].lower()
        value = ESCAPE.sub(r"\1", one[2][1:-1]) if one[2].startswith('"') else one[2]
        if key == "q":
            q = _weight(value) if strict or WEIGHT.fullmatch(value) else q
        else:
            parameters[key] = value
    return MediaType(name, parameters, q), text[position:]


def _weight(text: str) -> float:
    if not WEIGHT.fullmatch(text):
        raise invalid("a weight is a number from 0 to 1 with at most three decimals, e.g. q=0.8", code="value")
    return float(text)
