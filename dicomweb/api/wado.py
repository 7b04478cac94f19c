"""WADO-RS: retrieve studies, series and instances, and their metadata.

Who names no transfer syntax gets Explicit VR Little Endian, but what lost something when it was compressed as it is
stored; with `transfer-syntax=*` everything as it is stored, to the byte. Where some instances cannot be served as asked
the others are, with a warning.
Spec: PS3.18 10.4, 8.7.3.2, 8.7.8 (2024d)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from xxhash import xxh3_128

from dicomweb.api import bulkdata
from dicomweb.api.accept import (
    DICOM,
    DICOM_XML,
    INSTANCE,
    INSTANCES,
    OCTETS,
    ZIP,
    Offer,
    acceptable,
    asked_syntax,
    model_type,
    not_acceptable,
    wanted,
)
from dicomweb.api.coding import coded, sent, taken_by
from dicomweb.api.conditional import KEPT, NONE, answer, tag_of
from dicomweb.api.content import Content, Made, Stretch
from dicomweb.api.edge import Edge
from dicomweb.api.frames import location
from dicomweb.api.includefield import Fields, fields, only
from dicomweb.api.related import Part, joined, multipart
from dicomweb.api.remembered import Asked, Kept
from dicomweb.api.zipped import zipped
from dicomweb.archive.blobs import Archive
from dicomweb.pixel.image import Image, image
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.syntaxes import can_rewrite, default_syntax
from dicomweb.study import retrieve
from dicomweb.study.directory import Filed, file_ids
from dicomweb.study.retrieve import Described, Instance, encoded
from dicomweb.study.unchanged import state_of, unchanged
from healix_fhir.kernel.database import aat_once
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext

if TYPE_CHECKING:
    from dicomweb.pixel.layout import Layout


MANY = 1000
"""Instances whose metadata are made ready in a thread: those of a usual series take two milliseconds."""


@dataclass(frozen=True, slots=True)
class Written:
    """An instance and the transfer syntax in which it goes out; `pixels` describe its frames where they are needed."""

    instance: Instance
    syntax: str
    pixels: Image | None = None

    @property
    def content_type(self) -> str:
        """That of the object."""
        return f"{DICOM}; transfer-syntax={self.syntax}"

    def content(self, archive: Archive) -> Content:
        """The file as it is stored, or to be written anew."""
        one = self.instance
        if self.syntax == one.transfer_syntax:
            return [Stretch(one.key, 0, one.size)]
        return [Made(partial(_rewritten, archive, self), one.key)]


async def instances(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /studies/{study}[/series/{series}[/instances/{instance}]]`."""
    path = request.path_params
    taken: dict[Offer, list[MediaType]] = {}
    for offer, media in acceptable(wanted(request), INSTANCE if "instance" in path else INSTANCES):
        taken.setdefault(offer, []).append(media)
    for offer, ranges in taken.items():
        if offer.name == OCTETS:  # which means the same as the bulk data. Spec: PS3.18 Table 10.4.4-1 note
            return await bulkdata.every_value(edge, request, access)
        if offer.name == ZIP:
            if (answered := await _file_set(edge, request, access, ranges)) is not None:
                return answered
            continue
        found = await aat_once(
            edge.pool, retrieve.instances(access, path["study"], path.get("series"), path.get("instance"))
        )
        written = await _as_asked(edge, access, found, ranges)
        if written:
            return await _answer(edge, request, written, offer, complete=len(written) == len(found))
    raise not_acceptable(
        f'these instances are served as multipart/related; type="{DICOM}"; transfer-syntax=* as they are stored, and in'
        " other transfer syntaxes that suit them"
    )


async def _answer(
    edge: Edge, request: Request, written: Sequence[Written], offer: Offer, *, complete: bool
) -> Response:
    tag = tag_of(str(offer), *(f"{one.instance.key} {one.syntax}" for one in written))
    if not offer.parts:
        return await answer(edge.archive, request, written[0].content(edge.archive), written[0].content_type, tag)
    content, content_type = multipart(
        DICOM,
        (Part(one.content_type, one.content(edge.archive), location(edge.base, one.instance)) for one in written),
        tag,
    )
    status, headers = (200, NONE) if complete else (206, bulkdata.PARTIAL)
    return await answer(edge.archive, request, content, content_type, tag, status=status, headers=headers)


async def _file_set(
    edge: Edge, request: Request, access: AccessContext, ranges: Sequence[MediaType]
) -> Response | None:
    """All instances as a ZIP file; None where one of them cannot be served as asked: a file-set is not partial."""
    path = request.path_params
    described = await aat_once(
        edge.pool, retrieve.described_instances(access, path["study"], path.get("series"), path.get("instance"))
    )
    written = await _as_asked(edge, access, [one for one, _ in described], ranges)
    if len(written) < len(described):
        return None
    files = [
        (Filed(one.instance, file_id, one.syntax), one.content(edge.archive), compressed)
        for one, file_id, (_, compressed) in zip(written, file_ids(one for one, _ in described), described, strict=True)
    ]
    return await zipped(edge, request, files, path.get("instance") or path.get("series") or path["study"])


async def whole(
    edge: Edge, request: Request, access: AccessContext, uids: tuple[str, str, str], asked: str | None
) -> Response:
    """One instance as its file, in the transfer syntax `asked` or that which is the default for it. Raises
    NotAcceptable.
    """
    (found,) = await aat_once(edge.pool, retrieve.instances(access, *uids))
    written = await written_as(edge, access, found, asked)
    return await _answer(edge, request, [written], Offer(DICOM), complete=True)


async def written_as(edge: Edge, access: AccessContext, found: Instance, asked: str | None) -> Written:
    """An instance in the transfer syntax `asked` or that which is the default for it. Raises NotAcceptable."""
    ranges = [MediaType(DICOM, {"transfer-syntax": asked} if asked is not None else {})]
    for written in await _as_asked(edge, access, [found], ranges):
        return written
    raise not_acceptable("this instance cannot be served in that transfer syntax")


async def _as_asked(
    edge: Edge, access: AccessContext, found: Sequence[Instance], ranges: Sequence[MediaType]
) -> list[Written]:
    """The instances that can be served in a transfer syntax that one of the ranges takes."""
    if all(_kept(one, ranges[0]) for one in found):
        return [Written(one, one.transfer_syntax) for one in found]
    layouts = await aat_once(edge.pool, retrieve.layouts(access, *_within(found)))
    written = (_in_one(one, layouts.get(one.instance), ranges) for one in found)
    return [one for one in written if one is not None]


def _within(found: Sequence[Instance]) -> list[str]:
    """The UIDs that all of them share: of their study, series, instance."""
    levels = zip(*((one.study, one.series, one.instance) for one in found), strict=True)
    return [uids[0] for uids in levels if len(set(uids)) == 1]


def _in_one(one: Instance, layout: Layout | None, ranges: Sequence[MediaType]) -> Written | None:
    """The instance in the transfer syntax that is wanted most, among equals as it is stored; None for none of them."""
    pixels = layout.pixels if layout else None
    described = image(pixels) if pixels else None
    size = max(one.size, pixels.frame_bits * pixels.frames // 8) if pixels else one.size
    for media in sorted(ranges, key=lambda media: (-media.q, not _kept(one, media))):
        if _kept(one, media):
            return Written(one, one.transfer_syntax)
        asked = asked_syntax(media)
        syntax = asked or default_syntax(one.transfer_syntax)
        if can_rewrite(one.transfer_syntax, syntax, described, size):
            return Written(one, syntax, described)
        if asked is None:  # what is too large to be written anew is all that there is
            return Written(one, one.transfer_syntax)
    return None


def _kept(one: Instance, media: MediaType) -> bool:
    """Whether a range takes the instance as it is stored."""
    asked = asked_syntax(media) or default_syntax(one.transfer_syntax)
    return asked in ("*", one.transfer_syntax)


def _rewritten(archive: Archive, one: Written) -> Iterator[bytes]:
    """The file of an instance in another transfer syntax."""
    from dicomweb.pixel.rewrite import rewritten

    yield work_now(rewritten, archive.read(one.instance.key, 0, one.instance.size), one.pixels, one.syntax)


async def metadata(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/metadata` at each level: the attributes without bulk data, as DICOM JSON or XML.

    What was sent is remembered in the form in which it was, until its rows are others.
    """
    kind = model_type(request)
    named = tuple(request.query_params.getlist("includefield")) if request.scope["query_string"] else ()
    narrowed = fields(named)
    path = request.path_params
    uids = path["study"], path.get("series"), path.get("instance")
    form = Asked(uids, kind, named, taken_by(request))
    kept = edge.documents.get(form)
    if kept is not None and await _is_unchanged(edge, access, uids, kept):
        return sent(request, kept.document, KEPT)
    found = await edge.looked_up(lambda: retrieve.metadata(access, *uids))
    digest = xxh3_128(f"{kind} {edge.base} {narrowed}".encode())
    for one in found:
        digest.update(one.instance.encode())
        digest.update(one.metadata)
    apart = bool(narrowed) or len(found) > MANY
    shown = await asyncio.to_thread(_shown, found, edge.base, narrowed) if apart else encoded(found, edge.base)
    where = [_metadata_of(edge.base, one) for one in found] if kind == DICOM_XML else ()
    body, content_type = await joined(shown, kind, digest.hexdigest(), where)
    made = await coded(body, content_type, form.coding, f'"{digest.hexdigest()}"')
    edge.documents.put(form, Kept(state_of(one.mark for one in found), made), form.weight(made))
    return sent(request, made, KEPT)


async def _is_unchanged(
    edge: Edge, access: AccessContext, uids: tuple[str, str | None, str | None], kept: Kept
) -> bool:
    return await edge.looked_up(lambda: unchanged(access, *uids, kept.state))


def _metadata_of(base: str, one: Described) -> str:
    """Where the metadata of an instance are by themselves."""
    return f"{base}/studies/{one.study}/series/{one.series}/instances/{one.instance}/metadata"


def _shown(found: Sequence[Described], base: str, narrowed: Fields) -> list[bytes]:
    """The attributes of instances that a caller wants."""
    whole = encoded(found, base)
    return [only(one, narrowed) for one in whole] if narrowed else whole
