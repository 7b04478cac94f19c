"""What is refused by name whatever the address: parts of what is written, and asynchronous answers to who insists.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#parameters, hl7.org/fhir/R4/async.html; RFC 7240 2
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.api.call import Headers
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.subset import NAMES


def check_parts(params: Sequence[tuple[str, str]]) -> None:
    """Raise Unsupported for a request that changes something and asks for parts of what it gets back."""
    for name, value in params:
        if name in NAMES and (name, value) != ("_summary", "false"):
            raise unsupported(f"{name} is not supported on a request that may change something")


def check_preferences(headers: Headers) -> None:
    """Raise Unsupported for `Prefer: respond-async` under strict handling."""
    given = headers.get(b"prefer")
    if given is not None and b"respond-async" in given.lower():
        preference = parse_prefer(given.decode("latin-1"))
        if preference.asynchronous and preference.strict:
            raise unsupported("Prefer: respond-async is not supported here; the answer comes at once")
