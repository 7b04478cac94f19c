"""WADO-URI: one object or one picture by query parameters, as older viewers and report systems ask for it.

Spec: PS3.18 9 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM, not_acceptable
from dicomweb.api.edge import Edge
from dicomweb.api.frames import numbers_of
from dicomweb.api.look import labels_of, look
from dicomweb.api.rendered import picture, representative_frame
from dicomweb.api.wado import whole
from dicomweb.pixel.rendering import JPEG, TYPES
from dicomweb.study import retrieve
from dicomweb.study.pictures import Shown, shown
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid, not_found, unsupported
from healix_fhir.kernel.media_types import parse_accept
from smart_auth.access import AccessContext

UIDS = ("studyUID", "seriesUID", "objectUID")
FOR_PICTURES = frozenset(
    {"frameNumber", "rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "annotation"}
)
PARAMETERS = FOR_PICTURES | {"requestType", *UIDS, "contentType", "charset", "transferSyntax"}
REFUSED = {
    "anonymize": "de-identified objects are not served here",
    "presentationUID": "presentation states are not applied here",
    "presentationSeriesUID": "presentation states are not applied here",
}


async def retrieve_one(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=…`.

    Without contentType an image is served as JPEG, anything else as it is stored.
    """
    given = _given(request.query_params.multi_items())
    study, series, instance = (given[name] for name in UIDS)
    wanted = [media.name for media in parse_accept(given.get("contentType", "*/*")) if media.q > 0]
    kind = next((name for name in wanted if name in (*TYPES, DICOM, "*/*")), None)
    if kind is None:
        raise not_acceptable(f"objects are served as {', '.join([DICOM, *TYPES])}")
    if kind == "*/*":
        found = await atransaction(edge.pool, lambda: retrieve.layouts(access, study, series, instance))
        kind = JPEG if any(layout.pixels for layout in found.values()) else DICOM
    if kind == DICOM:
        if further := sorted(given.keys() & FOR_PICTURES):
            raise invalid(f"{further[0]} has no meaning for {DICOM}", code="value")
        return await whole(edge, request, access, (study, series, instance), given.get("transferSyntax"))
    (one,) = await atransaction(edge.pool, lambda: shown(access, study, series, instance))
    number = numbers_of(given["frameNumber"])[0] if "frameNumber" in given else representative_frame(one)
    if number > one.frames:
        raise not_found("the instance has no such frame")
    asked, burned = look(_look(given, one))
    content = await picture(edge, one, [number], replace(asked, kind=kind, labels=labels_of(burned, one.members)))
    return Response(content, 200, {"Cache-Control": "no-store"}, kind)


def _given(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters, each once. Raises Invalid or Unsupported."""
    given: dict[str, str] = {}
    for name, value in params:
        if name in REFUSED:
            raise unsupported(f"{name} is not supported: {REFUSED[name]}")
        if name not in PARAMETERS:
            raise invalid(f"'{name[:32]}' is no parameter of WADO-URI", code="not-supported")
        if name in given:
            raise invalid(f"{name} stands twice", code="value")
        given[name] = value
    if given.get("requestType") != "WADO":
        raise invalid("requestType must be WADO", code="required")
    if missing := [name for name in UIDS if not given.get(name)]:
        raise invalid(f"{missing[0]} is missing", code="required")
    return given


def _look(given: Mapping[str, str], one: Shown) -> list[tuple[str, str]]:
    """The parameters of a picture as RS resources name them. Spec: PS3.18 9.5 (2024d)"""
    named = []
    if "windowCenter" in given or "windowWidth" in given:
        if "windowCenter" not in given or "windowWidth" not in given:
            raise invalid("windowCenter and windowWidth belong together", code="required")
        named.append(("window", f"{given['windowCenter']},{given['windowWidth']}"))
    if {"rows", "columns", "region"} & given.keys():
        named.append(("viewport", _viewport(given, one)))
    named += [
        (new, given[old]) for old, new in (("imageQuality", "quality"), ("annotation", "annotation")) if old in given
    ]
    return named


def _viewport(given: Mapping[str, str], one: Shown) -> str:
    """Columns and rows (a missing one is as large as the image), and the region: fractions of the image."""
    pixels = one.layout.pixels
    assert pixels is not None, "only images are shown"
    size = f"{given.get('columns') or pixels.columns},{given.get('rows') or pixels.rows}"
    if "region" not in given:
        return size
    try:
        left, top, right, bottom = (float(part) for part in given["region"].split(","))
    except ValueError as error:
        raise invalid("region is xmin,ymin,xmax,ymax", code="value") from error
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise invalid("region has fractions from 0 to 1, each minimum below its maximum", code="value")
    width, height = pixels.columns, pixels.rows
    return f"{size},{left * width:.6f},{top * height:.6f},{(right - left) * width:.6f},{(bottom - top) * height:.6f}"
