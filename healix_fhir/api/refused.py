"""What is refused by name whatever the address: parts of what is written, and asynchronous answers to who insists.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#parameters, hl7.org/fhir/R4/async.html; RFC 7240 2
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.api.call import Headers
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.subset import NAMES
from healix_fhir.search.controls import EDGE


def check_parts(params: Sequence[tuple[str, str]]) -> None:
    """Raise Unsupported for a request that changes something and asks for parts of what it gets back."""
    for name, value in params:
        if name in NAMES and (name, value) != ("_summary", "false"):
            raise unsupported(f"{name} is not supported on a request that may change something")


def check_no_condition(params: Sequence[tuple[str, str]], advice: str) -> None:
    """Raise Invalid for a parameter of a write that takes none: unheeded, it would change what was not meant."""
    for name, _ in params:
        if name not in EDGE and name not in NAMES:
            raise invalid(f"this request has no parameter '{name[:64]}': {advice}", code="value")


def check_preferences(headers: Headers) -> None:
    """Raise Unsupported for `Prefer: respond-async` under strict handling."""
    given = headers.get(b"prefer")
    if given is not None and b"respond-async" in given.lower():
        preference = parse_prefer(given.decode("latin-1"))
        if preference.asynchronous and preference.strict:
            raise unsupported("Prefer: respond-async is not supported here; the answer comes at once")
