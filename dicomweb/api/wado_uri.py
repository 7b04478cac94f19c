"""WADO-URI: one object or one picture by query parameters, as older viewers and report systems ask for it.

Spec: PS3.18 9 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM, Offer, acceptable, accepted_ranges, check_charset, not_acceptable
from dicomweb.api.deciding import decided
from dicomweb.api.edge import Edge
from dicomweb.api.forms import PRESENTATION_STATES, pages
from dicomweb.api.frames import numbers_of
from dicomweb.api.look import look
from dicomweb.api.picture import drawing, representative_frame, stored_of
from dicomweb.api.related import Part
from dicomweb.api.rendered import Asked, presented, single
from dicomweb.api.unsupported import ignored, supported
from dicomweb.api.wado import whole
from dicomweb.pixel.rendering import LARGEST, Viewport
from dicomweb.pixel.showing import Stored
from dicomweb.study.pictures import Category, Shown, shown
from dicomweb.uid import check_uid
from healix_fhir.kernel.database import aat_once
from healix_fhir.kernel.errors import Category as Refusal
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.media_types import MediaType, parse_readable
from smart_auth.access import AccessContext

UIDS = ("studyUID", "seriesUID", "objectUID")
FOR_PICTURES = frozenset(
    {
        *("frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "annotation"),
        *("presentationSeriesUID", "presentationUID"),
    }
)
FOR_STATES = frozenset({"rows", "columns", "imageQuality"})
"""What has a meaning for what a presentation state shows. Spec: PS3.18 9.5.2.3 (2024d)"""
NOT_FOR_FILES = frozenset({"windowCenter", "windowWidth"})
"""Spec: PS3.18 9.5.1.2.6 (2024d)"""
SIDE = re.compile(r"[0-9]{1,9}", re.ASCII)
FRACTION = re.compile(r"\+?(?:\d{1,9}(?:\.\d{0,18})?|\.\d{1,18})", re.ASCII)
ANONYMIZE, YES = "anonymize", "yes"
OF_PATIENT = "patient"
"""The annotation that says who it is."""
PRESENTATION = ("presentationSeriesUID", "presentationUID")
PARAMETERS = (
    FOR_PICTURES | {"requestType", *UIDS, *PRESENTATION, "contentType", "charset", "transferSyntax"} | {ANONYMIZE}
)
SAME = {"imageAnnotation": "annotation"}
"""The name in Table 9.5.1-1, and that in the syntax of the request. Spec: PS3.18 9.5.1 (2024e)"""
FORBIDDEN = frozenset({"transfer-syntax", "charset"})
"""Parameters of media types that contentType must not have. Spec: PS3.18 9.1.2.2.1 (2024d)"""


class _AsFileError(HealixError):
    """The caller wants the file, which is served and audited as such."""

    def __init__(self) -> None:
        super().__init__(Refusal.NOT_ACCEPTABLE, "this object is served as its file")


async def retrieve_one(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=…`.

    Without contentType the Accept header counts; who takes anything gets an image as JPEG, a report as a page, anything
    else as its file.
    """
    check_charset(request)
    given = _given(_supported(request))
    study, series, instance = (given[name] for name in UIDS)
    accepted = _wanted(request, given)
    if ANONYMIZE in given:
        return await _anonymized(edge, request, access, given, accepted)
    if accepted[:1] and accepted[0].name == DICOM:
        return await _file(edge, request, access, given)

    def decide(one: Shown, kinds: Sequence[str]) -> tuple[Shown, str, int]:
        offers = [*kinds, DICOM]
        best = next(acceptable(accepted, [Offer(kind) for kind in offers]), None)
        if best is None:
            raise not_acceptable(f"this object is served as {', '.join(offers)}")
        if best[0].name == DICOM:
            raise _AsFileError
        if one.category is not Category.IMAGE:
            known = FOR_STATES if one.category is Category.PRESENTATION else frozenset()
            if further := sorted((given.keys() & FOR_PICTURES) - known):
                raise invalid(f"{further[0]} has no meaning for a {one.category.value}", code="value")
            return one, best[0].name, 1
        number = _frame(given["frameNumber"], one) if "frameNumber" in given else representative_frame(one)
        return one, best[0].name, number

    try:
        one, kind, number = await decided(edge, access, (study, series, instance), "retrieve-rendered", decide)
    except _AsFileError:
        return await _file(edge, request, access, given)
    if one.category is not Category.IMAGE:
        if one.category is not Category.PRESENTATION:
            return await single(edge, request, await pages(edge, one, kind))
        shape = replace(look(_look(given))[0], kind=kind, viewport=_viewport(given))
        asked = Asked(shape, (), ())
        (presents,) = await presented(edge, access, one, asked.look, asked, every=False)
        return await single(edge, request, Part(kind, [presents.made(edge.archive)]))
    state = await _state(edge, access, given)
    looking, burned = look(_look(given))
    looking = replace(looking, kind=kind, viewport=_viewport(given))
    drawn = drawing(one, [number], looking, burned, state)
    return await single(edge, request, Part(kind, [drawn.made(edge.archive)]))


def _wanted(request: Request, given: Mapping[str, str]) -> tuple[MediaType, ...]:
    """All of contentType before all of the Accept header. Spec: PS3.18 8.7.8.1 (2024d)"""
    asked, header = given.get("contentType"), request.headers.get("accept")
    found = accepted_ranges(asked or "", header or "")
    if any(media.parameters.keys() & FORBIDDEN for media in found[: len(parse_readable(asked or ""))]):
        raise invalid("contentType has no parameters here: there are transferSyntax and charset", code="value")
    return found


def _frame(value: str, one: Shown) -> int:
    """The one frame that is asked for. Raises Invalid, also for the first of an image with one frame, as the standard
    has it.

    Spec: PS3.18 9.5.2 (2024e)
    """
    if one.frames < 2:
        raise invalid("this image has one frame: ask for it without frameNumber", code="value")
    numbers = numbers_of(value)
    if len(numbers) != 1 or numbers[0] > one.frames:
        raise invalid("frameNumber is one of the frames of an image that has several", code="value")
    return numbers[0]


async def _file(edge: Edge, request: Request, access: AccessContext, given: Mapping[str, str]) -> Response:
    return await whole(edge, request, access, *_of_file(request, given))


async def _anonymized(
    edge: Edge, request: Request, access: AccessContext, given: Mapping[str, str], accepted: Sequence[MediaType]
) -> Response:
    """The file without identities: pictures and pages are other transactions, which have no such parameter, and
    are not served with identities instead. Spec: PS3.18 9.4.1.2.1, 9.4.2.3, 9.5.1.2 (2024d)
    """
    if given[ANONYMIZE] != YES:
        raise invalid(f"{ANONYMIZE} must be {YES}", code="value")
    named = parse_readable(given.get("contentType", "")) or accepted
    if next(acceptable(named, [Offer(DICOM)]), None) is None:
        raise invalid(f"{ANONYMIZE} has a meaning for {DICOM} only", code="value")
    if OF_PATIENT in re.split(r"\s*,\s*", given.get("annotation", "").strip()):
        raise invalid(f"{ANONYMIZE} and an annotation of the {OF_PATIENT} contradict each other", code="value")
    from dicomweb.api.anonymized import anonymized  # what it takes is loaded by who asks for it

    return await anonymized(edge, request, access, *_of_file(request, given))


def _of_file(request: Request, given: Mapping[str, str]) -> tuple[tuple[str, str, str], str | None]:
    """The UIDs and the transfer syntax of the transaction that gets the file. Raises Invalid."""
    if further := sorted(given.keys() & NOT_FOR_FILES):
        raise invalid(f"{further[0]} has no meaning for {DICOM}", code="value")
    ignored(request, sorted(given.keys() & FOR_PICTURES))
    study, series, instance = (given[name] for name in UIDS)
    syntax = given.get("transferSyntax")
    if syntax is not None and syntax != "*":
        check_uid(syntax, "transferSyntax")
    return (study, series, instance), syntax


async def _state(edge: Edge, access: AccessContext, given: Mapping[str, str]) -> Stored | None:
    """The presentation state that is to be applied; one that is not there is an invalid parameter.

    Spec: PS3.18 9.5.1.2.7, 9.5.2.3 (2024d)
    """
    named = [given[name] for name in PRESENTATION if name in given]
    if not named:
        return None
    if len(named) != len(PRESENTATION):
        raise invalid(f"{' and '.join(PRESENTATION)} belong together", code="required")
    if "frameNumber" in given:
        raise invalid("a presentation state says itself which frames it is for", code="value")
    try:
        (one,) = await aat_once(edge.pool, shown(access, given["studyUID"], *named))
    except HealixError as error:
        if error.category not in (Refusal.NOT_FOUND, Refusal.GONE):
            raise
        raise invalid("presentationUID names nothing that is there", code="value") from error
    if one.instance.sop_class not in PRESENTATION_STATES:
        raise invalid("presentationUID names no grayscale or colour softcopy presentation state", code="value")
    return stored_of(one)


def _supported(request: Request) -> list[tuple[str, str]]:
    charset = [("charset", value) for value in request.query_params.getlist("charset")]
    return charset + supported(request, PARAMETERS | SAME.keys())


def _given(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters, each once. Raises Invalid."""
    given: dict[str, str] = {}
    for name, value in params:
        name = SAME.get(name, name)  # noqa: PLW2901 - two editions have two names for it
        if name in given:
            raise invalid(f"{name} stands twice", code="value")
        given[name] = value
    if given.get("requestType") != "WADO":
        raise invalid("requestType must be WADO", code="required")
    if missing := [name for name in UIDS if not given.get(name)]:
        raise invalid(f"{missing[0]} is missing", code="required")
    return given


def _look(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The parameters of a picture as RS resources name them. Spec: PS3.18 9.5 (2024d)"""
    named = []
    if "windowCenter" in given or "windowWidth" in given:
        if "windowCenter" not in given or "windowWidth" not in given:
            raise invalid("windowCenter and windowWidth belong together", code="required")
        if any(name in given for name in PRESENTATION):
            raise invalid("a presentation state has a window of its own", code="value")
        named.append(("window", f"{given['windowCenter']},{given['windowWidth']},linear"))
    named += [
        (new, given[old]) for old, new in (("imageQuality", "quality"), ("annotation", "annotation")) if old in given
    ]
    return named


def _viewport(given: Mapping[str, str]) -> Viewport | None:
    """Columns and rows, of which a missing one is as large as the region has it, and the region.

    Spec: PS3.18 9.5.1.2.4, 9.5.1.2.5, 9.5.2.4, 9.5.2.5 (2024d)
    """
    if not {"rows", "columns", "region"} & given.keys():
        return None
    columns, rows = (_side(given, name) for name in ("columns", "rows"))
    if "region" not in given:
        return Viewport(columns, rows)
    parts = given["region"].split(",")
    if len(parts) != 4 or not all(FRACTION.fullmatch(part) for part in parts):
        raise invalid("region is xmin,ymin,xmax,ymax", code="value")
    left, top, right, bottom = map(float, parts)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise invalid("region has fractions from 0 to 1, each minimum below its maximum", code="value")
    return Viewport(columns, rows, left, top, right - left, bottom - top, fractions=True)


def _side(given: Mapping[str, str], name: str) -> int:
    """A positive number of pixels; 0 where there is none."""
    value = given.get(name)
    if value is None:
        return 0
    if not SIDE.fullmatch(value) or not 1 <= int(value) <= LARGEST:
        raise invalid(f"{name} is a whole number from 1 to {LARGEST}", code="value")
    return int(value)
