"""The parameters of a query string or form.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#parameters; URL Standard, url.spec.whatwg.org/#urlencoded-parsing
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from healix_fhir.kernel.errors import invalid

PARAMETERS = 1000


def parameters(text: bytes) -> list[tuple[str, str]]:
    """The parameters of a query string or form. Raises Invalid when they are not percent-encoded UTF-8, or too many."""
    if not text:
        return []
    try:
        return parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS, separator="&"
        )
    except ValueError as error:
        raise invalid(
            f"the parameters must be percent-encoded UTF-8, at most {PARAMETERS}", code="structure"
        ) from error
