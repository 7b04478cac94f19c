"""Which representation a caller takes: the Accept header or the `accept` parameter, against tables of what there is.

Spec: PS3.18 8.3.3, 8.7.5, 8.7.8, 8.8, 10.4.4 and Tables 8.7.3-2 to 8.7.3-5 (2024d); RFC 9110 12.5.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.media_types import MediaType, parse_readable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
JSON_TYPES = (DICOM_JSON, JSON)
OCTETS = "application/octet-stream"
ZIP = "application/zip"
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
    **{f"1.2.840.10008.1.2.4.{n}{part}": "video/mpeg" for n in (100, 101) for part in ("", ".1")},
    **{f"1.2.840.10008.1.2.4.{n}{part}": "video/mp4" for n in range(102, 107) for part in ("", ".1")},
    **dict.fromkeys(("1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"), "video/H265"),
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


DICOM_TYPES = frozenset({DICOM, DICOM_JSON, DICOM_XML})
RENDERED_TYPES = frozenset(
    {
        *("image/jpeg", "image/gif", "image/png", "image/jp2", "video/mpeg", "video/mp4", "video/h265"),
        *("text/html", "text/plain", "text/xml", "text/rtf", "application/pdf"),
    }
)
"""Spec: PS3.18 Table 8.7.4-1 (2024d)"""

PLUS = re.compile(r"(?<=dicom) (?=json|xml)")
UTF_8 = frozenset({"*", "utf-8", "utf8", "iso_ir 192"})
"""What callers call it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One form in which a resource is served: a media type, or parts of it in a multipart."""

    name: str
    parts: bool = False

    def __str__(self) -> str:
        return f'{MULTIPART}; type="{self.name}"' if self.parts else self.name


INSTANCES = (Offer(DICOM, parts=True), Offer(OCTETS, parts=True), Offer(ZIP))
INSTANCE = (Offer(DICOM, parts=True), Offer(DICOM), Offer(OCTETS, parts=True), Offer(ZIP))
ATTRIBUTES = (Offer(DICOM_JSON), Offer(JSON), Offer(DICOM_XML, parts=True))
DOCUMENT = (*(Offer(name) for name in (DICOM_JSON, JSON, DICOM_XML)), Offer(DICOM_XML, parts=True))
BULK = (Offer(OCTETS, parts=True), Offer(OCTETS))
BULKS = (Offer(OCTETS, parts=True),)
"""What is served of each resource, the default first. Spec: Table 10.4.4-1"""


def wanted(request: Request) -> tuple[MediaType, ...]:
    """What the caller takes, most wanted first."""
    return accepted_ranges(*listed(request))


def listed(request: Request) -> tuple[str, str]:
    """The lists of what the caller takes, as they are written: of the query parameter and of the header.

    A plus that is not escaped is a space in a query, as pages write it, and in the name of a media type there is none.
    """
    asked = request.query_params.get("accept") if request.scope["query_string"] else None
    return PLUS.sub("+", asked) if asked else "", request.headers.get("accept") or ""


def accepted_ranges(asked: str, header: str) -> tuple[MediaType, ...]:
    """The ranges of both lists, most wanted first: all of the query parameter before all of the header.

    Without either the caller takes anything. Spec: PS3.18 8.7.8.1 (2024d)
    """
    found = _of_one_kind(parse_readable(asked)) if asked else ()
    return found + (parse_readable(header or "*/*") if header or not asked else ())


def _of_one_kind(asked: tuple[MediaType, ...]) -> tuple[MediaType, ...]:
    """What the query parameter lists. Raises Invalid where DICOM and pictures are both in it.

    The header may list both, though 8.7.5 has it otherwise: programs put `text/plain` into it for whatever they ask.
    Spec: PS3.18 8.3.3.1 (2024d)
    """
    names = {_content_of(media) for media in asked}
    if names & DICOM_TYPES and names & RENDERED_TYPES:
        raise invalid("the media types asked for are either of DICOM or of what is rendered", code="value")
    return asked


def _content_of(media: MediaType) -> str:
    """The media type itself, or that of the parts of a multipart."""
    return media.parameters.get("type", "").lower() if media.name == MULTIPART else media.name


def acceptable(accepted: Sequence[MediaType], offers: Sequence[Offer]) -> Iterator[tuple[Offer, MediaType]]:
    """The offers that the caller takes, each with the range that names it, most wanted first.

    An offer has the weight of the most specific range that covers it: `application/json;q=0, */*` is all but JSON.
    Among equals the caller's order counts, then that of the table.
    """
    for media in accepted:
        if media.q > 0:
            for offer in offers:
                if covers(media, offer) and not any(
                    _precision(other) > _precision(media) and covers(other, offer) for other in accepted
                ):
                    yield offer, media


def covers(media: MediaType, offer: Offer) -> bool:
    """Whether a range contains an offer, transfer syntaxes aside. A multipart that names no type is one of anything."""
    if not offer.parts or media.name == "*/*":
        return media.covers(offer.name)
    return media.covers(MULTIPART) and MediaType(media.parameters.get("type", "*/*").lower()).covers(offer.name)


def _precision(media: MediaType) -> int:
    if media.name == "*/*":
        return 0
    if media.name.endswith("/*"):
        return 1
    return 2 + ("type" in media.parameters)


def model_type(request: Request) -> str:
    """The name under which the caller takes attributes: of DICOM JSON, or `DICOM_XML`, which comes as parts of a
    multipart. Raises NotAcceptable.
    """
    return _of_model(request, ATTRIBUTES).name


def document_type(request: Request) -> Offer:
    """How the caller takes what is always one document: in DICOM JSON, or in DICOM XML, which may be the one part of a
    multipart. Raises NotAcceptable.
    """
    return _of_model(request, DOCUMENT)


def _of_model(request: Request, offers: Sequence[Offer]) -> Offer:
    check_charset(request)
    for offer, _ in acceptable(wanted(request), offers):
        return offer
    raise none_of(offers)


def check_charset(request: Request) -> None:
    """Text is in UTF-8 alone: raises Invalid where `charset` or Accept-Charset lists only others.

    Spec: PS3.18 8.3.3.2, 8.8.4 (2024d)
    """
    listed = request.query_params.get("charset") or request.headers.get("accept-charset") or "*"
    for part in listed.split(","):
        name, _, weight = part.partition(";")
        if name.strip(' "').lower() in UTF_8 and (not weight or weight.strip(" q=0.")):
            return
    raise invalid("text is served in UTF-8", code="not-supported")


def asked_syntax(media: MediaType) -> str | None:
    """The transfer syntax that a range names; `*` is any, None the default of the media type."""
    return media.parameters.get("transfer-syntax")


def none_of(offers: Sequence[Offer]) -> HealixError:
    """The refusal of a caller that takes none of the offers."""
    return not_acceptable(f"this is served as {', '.join(dict.fromkeys(map(str, offers)))}")


def not_acceptable(message: str) -> HealixError:
    """No representation that the caller takes."""
    return HealixError(Category.NOT_ACCEPTABLE, message)
