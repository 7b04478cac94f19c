"""Binary in its native form: read as the bytes that it holds, written from them.

A read gives the bytes unless the caller asks for a FHIR format by name. A body becomes the content of a Binary, also
when it is FHIR, unless it is a Binary itself. What comes out may be anything, from anybody: browsers get it as a
download, must not guess its type, and run none of it.

Spec: FHIR R4, hl7.org/fhir/R4/binary.html#rest
"""

from __future__ import annotations

import base64
import re
from typing import Any

from healix_fhir.api.call import Answer, Call, Headers, header
from healix_fhir.api.negotiation import FHIR_JSON, FHIR_TYPES, FHIR_VERSION, FHIR_XML, JSON_TYPES, SHORT
from healix_fhir.interaction.result import Stored
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.media_types import parse_accept, parse_media_type
from healix_fhir.model import json
from healix_fhir.model.subset import NAMES
from healix_fhir.model.xml import decode as xml
from healix_fhir.model.xml.root import root_of

BINARY = "Binary"
SECURITY_CONTEXT = b"x-security-context"
UNKNOWN = "application/octet-stream"
SAFE = (
    (b"content-disposition", b"attachment"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)
VISIBLE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


def native(call: Call, stored: Stored) -> Answer | None:
    """The answer to a read of a Binary in its native form; None where the caller wants a resource."""
    if any(name in NAMES for name, _ in call.params):
        return None
    resource = json.decode_stored(stored.body)
    content_type = _header_value(resource.get("contentType", ""))
    if _wants_resource(call, content_type):
        return None
    context = resource.get("securityContext", {}).get("reference", "")
    headers = (*SAFE, (SECURITY_CONTEXT, context.encode())) if VISIBLE.fullmatch(context) else SAFE
    return Answer(200, base64.b64decode(resource.get("data", "")), headers, content_type.encode())


def _header_value(content_type: str) -> str:
    """A stored content type as a header: a code may hold what a header must not."""
    if VISIBLE.fullmatch(content_type) is None:
        return UNKNOWN
    try:
        parse_media_type(content_type)
    except HealixError:
        return UNKNOWN
    return content_type


def _wants_resource(call: Call, content_type: str) -> bool:
    """Whether FHIR's own media types are asked for, or JSON or XML where the content is neither."""
    for name, value in call.params:
        if name == "_format":
            return value in SHORT or value.strip().replace(" ", "+").partition(";")[0] in FHIR_TYPES
    content = parse_media_type(content_type).name
    for media in parse_accept(call.header(b"accept") or "*/*"):
        if media.q == 0 or media.parameters.get("fhirversion", FHIR_VERSION) != FHIR_VERSION:
            continue
        if media.name in (FHIR_JSON, FHIR_XML):
            return True
        if media.covers(content):
            return False
        if media.name in FHIR_TYPES:
            return True
    return False


def taken(body: bytes, headers: Headers, id_: str | None) -> bytes:
    """The JSON of the Binary that a body stands for; `id_` is that of its address.

    Raises UnsupportedMedia without a Content-Type, Invalid for a body that says it is FHIR and cannot be read.
    """
    content_type = " ".join((header(headers, b"content-type") or "").split())
    try:
        name = parse_media_type(content_type).name
    except HealixError as error:
        raise HealixError(
            Category.UNSUPPORTED_MEDIA, "a Binary needs the media type of its content in Content-Type"
        ) from error
    if (resource := _resource(body, name)) is not None:
        return resource
    made: dict[str, Any] = {"resourceType": BINARY}
    if id_ is not None:
        made["id"] = id_
    made["contentType"] = content_type
    if (context := header(headers, SECURITY_CONTEXT)) is not None:
        made["securityContext"] = {"reference": context.strip()}
    if body:
        made["data"] = base64.b64encode(body).decode()
    return json.encode(made)


def _resource(body: bytes, name: str) -> bytes | None:
    """The body as JSON where it is a Binary resource, None where it is only the content of one."""
    if name in JSON_TYPES:
        try:
            found = json.decode(body)
        except HealixError:
            if name == FHIR_JSON:
                raise
            return None
        return body if found.get("resourceType") == BINARY else None
    if name in FHIR_TYPES and root_of(body) == BINARY:
        return json.encode(xml.decode(body))
    if name == FHIR_XML and root_of(body) is None:
        raise invalid("the body is no FHIR XML", code="structure")
    return None
