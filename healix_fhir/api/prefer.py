"""What a caller would rather have: the Prefer header.

Preferences that are unknown, or have an unknown value, are ignored, as RFC 7240 asks. Where no answer comes later,
`respond-async` is such a one: the answer comes at once, unless the caller wants to be told of what is ignored.

Spec: RFC 7240 2; FHIR R4, hl7.org/fhir/R4/http.html#ops, hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from healix_fhir.interaction.result import Return

__all__ = ["Preference", "Return", "parse_prefer"]


@dataclass(frozen=True, slots=True)
class Preference:
    """The preferences that this server follows, with its defaults."""

    returns: Return = Return.REPRESENTATION
    strict: bool = False
    lenient: bool = False
    asynchronous: bool = False


@lru_cache(maxsize=64)
def parse_prefer(header: str | None) -> Preference:
    """The preferences of a Prefer header; the first of each kind counts."""
    given: dict[str, str] = {}
    for part in (header or "").split(","):
        name, _, value = part.partition(";")[0].partition("=")
        given.setdefault(name.strip().lower(), value.strip().strip('"'))
    returns = {value.lower(): value for value in Return}.get(given.get("return", "").lower(), Return.REPRESENTATION)
    handling = given.get("handling", "").lower()
    return Preference(returns, handling == "strict", handling == "lenient", "respond-async" in given)
