"""In which format a caller writes and wants to read: JSON in all the names that R4 gives it; XML is refused by name.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#mime-type, #parameters
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.media_types import MediaType, parse_accept, parse_media_type

FHIR_JSON = "application/fhir+json"
JSON_TYPES = (FHIR_JSON, "application/json", "text/json")
XML_TYPES = ("application/fhir+xml", "application/xml", "text/xml")
FORM = "application/x-www-form-urlencoded"
FHIR_VERSION = "4.0"
CONTENT_TYPE = b"application/fhir+json; charset=utf-8"


@lru_cache(maxsize=256)
def answer_type(accept: str | None, format_: str | None) -> bytes:
    """The Content-Type of the answer to a request with this `Accept` header and `_format` parameter.

    `_format` wins over the header. Raises NotAcceptable.
    """
    if format_ is not None:
        # a "+" that was not percent-encoded has become a space
        wanted: tuple[MediaType, ...] = (_short(format_.strip().replace(" ", "+")),)
    elif accept is None:
        return CONTENT_TYPE
    else:
        wanted = parse_accept(accept) or (MediaType("*/*"),)
    for media in wanted:
        if media.q > 0 and media.parameters.get("fhirversion", FHIR_VERSION) == FHIR_VERSION:
            for name in JSON_TYPES:
                if media.covers(name):
                    return f"{name}; charset=utf-8".encode()
    raise _not_acceptable(wanted)


def _short(text: str) -> MediaType:
    return MediaType(FHIR_JSON) if text == "json" else MediaType("application/xml") if text == "xml" else _long(text)


def _long(text: str) -> MediaType:
    try:
        return parse_media_type(text)
    except HealixError:
        return MediaType("unknown/unknown")


def _not_acceptable(wanted: Sequence[MediaType]) -> HealixError:
    if any(media.name in XML_TYPES for media in wanted):
        return HealixError(Category.NOT_ACCEPTABLE, f"XML is not supported; ask for {FHIR_JSON}")
    return HealixError(Category.NOT_ACCEPTABLE, f"this server writes {FHIR_JSON}, FHIR version {FHIR_VERSION}")


def check_content(content_type: str | None, encoding: str | None, allowed: Sequence[str] = JSON_TYPES) -> None:
    """Raise UnsupportedMedia unless a body of this Content-Type and Content-Encoding can be read."""
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise _unreadable("compressed request bodies are not supported; send the body as it is")
    if content_type is None:
        raise _unreadable(f"the request needs a Content-Type: {allowed[0]}")
    _check_type(content_type, tuple(allowed))


@lru_cache(maxsize=256)
def _check_type(content_type: str, allowed: tuple[str, ...]) -> None:
    try:
        media = parse_media_type(content_type)
    except HealixError as error:
        raise _unreadable(f"the Content-Type cannot be read; send {allowed[0]}") from error
    if media.name in XML_TYPES:
        raise _unreadable(f"XML is not supported; send {allowed[0]}")
    if media.name not in allowed:
        raise _unreadable(f"a body of type {media.name[:64]} is not supported; send {allowed[0]}")
    if media.parameters.get("charset", "utf-8").lower() != "utf-8":
        raise _unreadable("the body must be in UTF-8")
    if media.parameters.get("fhirversion", FHIR_VERSION) != FHIR_VERSION:
        raise _unreadable(f"this server reads FHIR version {FHIR_VERSION}")


def _unreadable(message: str) -> HealixError:
    return HealixError(Category.UNSUPPORTED_MEDIA, message)


def is_pretty(params: Sequence[tuple[str, str]]) -> bool:
    """Whether `_pretty=true` asks for an indented answer. Raises Invalid for a value that is no boolean."""
    for name, value in params:
        if name == "_pretty":
            if value not in ("true", "false"):
                raise invalid("_pretty is true or false", code="value")
            return value == "true"
    return False
