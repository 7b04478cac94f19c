"""In which format a caller writes and wants to read: JSON and XML, in all the names that R4 gives them.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#mime-type, #parameters; RFC 9110 12.5.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from healix_fhir.api.parameters import parameters
from healix_fhir.interaction.patch import JSON_PATCH
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.media_types import MediaType, parse_accept, parse_media_type

FHIR_JSON, FHIR_XML = "application/fhir+json", "application/fhir+xml"
JSON_TYPES = (FHIR_JSON, "application/json", "text/json")
XML_TYPES = (FHIR_XML, "application/xml", "text/xml")
FHIR_TYPES = JSON_TYPES + XML_TYPES
PATCH_TYPES = (JSON_PATCH, *FHIR_TYPES)
FORM = "application/x-www-form-urlencoded"
FHIR_VERSION = "4.0"
SHORT = {"json": FHIR_JSON, "xml": FHIR_XML}
"""The values of `_format` that are no media types."""


class Format(NamedTuple):
    """How resources are written: the Content-Type, and whether that is XML."""

    content_type: bytes
    xml: bool


FORMATS = {name: Format(f"{name}; charset=utf-8".encode(), name in XML_TYPES) for name in FHIR_TYPES}
JSON = FORMATS[FHIR_JSON]


@lru_cache(maxsize=256)
def answer_format(accept: str | None, format_: str | None) -> Format:
    """The format of the answer to a request with this `Accept` header and `_format` parameter.

    `_format` wins over the header. Raises NotAcceptable, or Invalid for a header that cannot be read.
    """
    if format_ is not None:
        # a "+" that was not percent-encoded has become a space
        wanted: tuple[MediaType, ...] = (_long(SHORT.get(format_, format_.strip().replace(" ", "+"))),)
    elif accept is None:
        return JSON
    else:
        wanted = parse_accept(accept) or (MediaType("*/*"),)
    refused = {media.name for media in wanted if media.q == 0}
    for media in wanted:
        if media.q > 0 and media.parameters.get("fhirversion", FHIR_VERSION) == FHIR_VERSION:
            for name in FHIR_TYPES:
                if media.covers(name) and name not in refused:
                    return FORMATS[name]
    raise HealixError(
        Category.NOT_ACCEPTABLE, f"this server writes {FHIR_JSON} and {FHIR_XML}, FHIR version {FHIR_VERSION}"
    )


def call_format(headers: Mapping[bytes, bytes], params: Sequence[tuple[str, str]]) -> Format:
    """The format of the answer to a request with these headers and parameters; raises as `answer_format` does."""
    accept = headers.get(b"accept")
    return answer_format(
        accept.decode("latin-1") if accept is not None else None,
        next((value for name, value in params if name == "_format"), None) if params else None,
    )


def error_format(headers: Mapping[bytes, bytes], query: bytes) -> Format:
    """The format for a refusal of a request that cannot be read: what it asks for as far as that can be told."""
    try:
        return call_format(headers, parameters(query))
    except HealixError:
        return JSON


def _long(text: str) -> MediaType:
    try:
        return parse_media_type(text)
    except HealixError:
        return MediaType("unknown/unknown")


@lru_cache(maxsize=256)
def body_type(content_type: str | None, allowed: tuple[str, ...] = FHIR_TYPES) -> str:
    """The name of the media type of a body with this Content-Type. Raises UnsupportedMedia unless it is `allowed`."""
    if content_type is None:
        raise _unreadable(f"the request needs a Content-Type: {allowed[0]}")
    try:
        media = parse_media_type(content_type)
    except HealixError as error:
        raise _unreadable(f"the Content-Type cannot be read; send {allowed[0]}") from error
    if media.name not in allowed:
        raise _unreadable(f"a body of type {media.name[:64]} is not supported here; send {' or '.join(allowed)}")
    if media.parameters.get("charset", "utf-8").lower() != "utf-8":
        raise _unreadable("the body must be in UTF-8")
    if media.parameters.get("fhirversion", FHIR_VERSION) != FHIR_VERSION:
        raise _unreadable(f"this server reads FHIR version {FHIR_VERSION}")
    return media.name


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
