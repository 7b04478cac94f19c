"""Which representation a caller takes: the Accept header or the `accept` parameter, against a table of what there is.

Spec: PS3.18 8.3.3.1, 8.7.5, 8.7.7 and Tables 8.7.3-2 to 8.7.3-5 (2024d)
"""

from __future__ import annotations

from starlette.requests import Request

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.media_types import MediaType, parse_accept

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON_TYPES = (DICOM_JSON, "application/json")
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"

FRAME_TYPE = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.100": "video/mpeg2",
    "1.2.840.10008.1.2.4.101": "video/mpeg2",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
}
"""The media type of a frame by transfer syntax; frames of every other syntax are octets. Spec: Table 8.7.3-5"""

DEFAULT_SYNTAX = {
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jphc": "1.2.840.10008.1.2.4.201",
}
"""The transfer syntax that a media type of frames means where none is named. Spec: Tables 8.7.3-2 and 8.7.3-4"""


def wanted(request: Request) -> tuple[MediaType, ...]:
    """What the caller takes, most wanted first; the query parameter wins over the header."""
    text = request.query_params.get("accept") or request.headers.get("accept") or "*/*"
    return tuple(media for media in parse_accept(text) if media.q > 0)


def model_type(request: Request, *, single: bool = False) -> str:
    """The name under which the caller takes attributes: of DICOM JSON, or `DICOM_XML`, which comes as parts of a
    multipart unless there is always a `single` document. Raises NotAcceptable.
    """
    for media in wanted(request):
        for name in JSON_TYPES:
            if media.covers(name):
                return name
        if media.covers(DICOM_XML) if single else media.name != "*/*" and multipart_of(media, DICOM_XML):
            return DICOM_XML
    xml = DICOM_XML if single else f'{MULTIPART}; type="{DICOM_XML}"'
    raise not_acceptable(f"this is served as {DICOM_JSON} and as {xml}")


def multipart_of(media: MediaType, part: str) -> bool:
    """Whether the range takes a multipart of parts of the type `part`."""
    if media.name == "*/*":
        return True
    return media.covers(MULTIPART) and media.parameters.get("type", part).lower() in (part, "*/*")


def takes_syntax(media: MediaType, stored: str) -> bool:
    """Whether the range takes the stored transfer syntax; one that names none takes it as it is stored."""
    return media.parameters.get("transfer-syntax", "*") in ("*", stored)


def not_acceptable(message: str) -> HealixError:
    """No representation that the caller takes."""
    return HealixError(Category.NOT_ACCEPTABLE, message)
