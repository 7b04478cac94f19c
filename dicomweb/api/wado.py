"""WADO-RS: retrieve studies, series, instances, their metadata and bulk data.

Objects go out in the transfer syntax in which they are stored, or rewritten in the one that is asked for.
Spec: PS3.18 10.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from xxhash import xxh3_128

from dicomweb.api.accept import DICOM, OCTETS, model_type, multipart_of, not_acceptable, takes_syntax, wanted
from dicomweb.api.edge import Edge
from dicomweb.api.frames import stream_ranges
from dicomweb.api.related import PRIVATE, multipart, objects, streamed
from dicomweb.archive.blobs import Archive
from dicomweb.pixel.frames import inflated
from dicomweb.pixel.image import Image, image
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.syntaxes import can_rewrite
from dicomweb.study import retrieve
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext


async def instances(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /studies/{study}[/series/{series}[/instances/{instance}]]`."""
    path = request.path_params
    found = await atransaction(
        edge.pool, lambda: retrieve.instances(access, path["study"], path.get("series"), path.get("instance"))
    )
    accepted = wanted(request)
    for media in accepted:
        if multipart_of(media, DICOM) and all(_taken(one, accepted) for one in found):
            return await multipart(DICOM, ((_kind(one.transfer_syntax), edge.archive.stream(one.key)) for one in found))
        single = media.covers(DICOM) and len(found) == 1
        if single and takes_syntax(media, found[0].transfer_syntax):
            return await streamed(edge.archive.stream(found[0].key), _kind(found[0].transfer_syntax), found[0].size)
        asked = media.parameters.get("transfer-syntax", "*")
        if not single and (media.name == "*/*" or not multipart_of(media, DICOM)):
            continue
        described = await _described(edge, access, path, found)
        if all(can_rewrite(one.transfer_syntax, asked, pixels, size) for one, pixels, size in described):
            converted = [_converted(edge.archive, one, pixels, asked) for one, pixels, _ in described]
            if single:
                return await streamed(converted[0], _kind(asked))
            return await multipart(DICOM, ((_kind(asked), content) for content in converted))
    raise not_acceptable(
        f'these instances are served as multipart/related; type="{DICOM}" as they are stored, and in other transfer'
        " syntaxes that suit all of them"
    )


async def whole(
    edge: Edge, access: AccessContext, study: str, series: str, instance: str, asked: str | None
) -> Response:
    """One instance as its file, in the transfer syntax `asked` or as it is stored. Raises NotAcceptable."""
    (one,) = await atransaction(edge.pool, lambda: retrieve.instances(access, study, series, instance))
    if asked is None or asked == one.transfer_syntax:
        return await streamed(edge.archive.stream(one.key), _kind(one.transfer_syntax), one.size)
    ((_, pixels, size),) = await _described(
        edge, access, {"study": study, "series": series, "instance": instance}, [one]
    )
    if not can_rewrite(one.transfer_syntax, asked, pixels, size):
        raise not_acceptable("this instance cannot be served in that transfer syntax")
    return await streamed(_converted(edge.archive, one, pixels, asked), _kind(asked))


async def _described(
    edge: Edge, access: AccessContext, path: Mapping[str, str], found: Sequence[Instance]
) -> list[tuple[Instance, Image | None, int]]:
    """The instances with the description of their pixels, where they have some, and their bytes uncompressed."""
    layouts = await atransaction(
        edge.pool, lambda: retrieve.layouts(access, path["study"], path.get("series"), path.get("instance"))
    )
    described = []
    for one in found:
        layout = layouts.get(one.instance)
        pixels = layout.pixels if layout else None
        size = max(one.size, pixels.frame_bits * pixels.frames // 8) if pixels else one.size
        described.append((one, image(pixels) if pixels else None, size))
    return described


def _converted(archive: Archive, one: Instance, pixels: Image | None, asked: str) -> Iterator[bytes]:
    """The file of an instance in another transfer syntax."""
    if asked == one.transfer_syntax:
        yield from archive.stream(one.key)
    else:
        from dicomweb.pixel.rewrite import rewritten

        yield work_now(rewritten, archive.read(one.key, 0, one.size), pixels, asked)


def _kind(syntax: str) -> str:
    return f"{DICOM}; transfer-syntax={syntax}"


def _taken(instance: Instance, accepted: Sequence[MediaType]) -> bool:
    """Whether the caller takes the instance as a part: each transfer syntax may be named in a range of its own."""
    return any(multipart_of(media, DICOM) and takes_syntax(media, instance.transfer_syntax) for media in accepted)


async def metadata(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/metadata` at each level: the attributes without bulk data, as DICOM JSON or XML."""
    kind = model_type(request)
    path = request.path_params
    found = await atransaction(
        edge.pool,
        lambda: retrieve.metadata(access, path["study"], path.get("series"), path.get("instance"), base=edge.base),
    )
    digest = xxh3_128(kind.encode())
    for one in found:
        digest.update(one)
    tag = f'"{digest.hexdigest()}"'
    headers = PRIVATE | {"ETag": tag}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in known:
        return Response(None, 304, headers)
    return await objects(found, kind, headers)


async def bulk(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/bulkdata/{path}`: the value of one element that the metadata names by BulkDataURI."""
    path = request.path_params
    found = await atransaction(
        edge.pool, lambda: retrieve.bulk(access, path["study"], path["series"], path["instance"], path["path"])
    )
    key = found.instance.key
    if found.deflated:
        value = inflated(edge.archive, key, *found.ranges[0])
    else:
        value = stream_ranges(edge.archive, key, found.ranges)
    for media in wanted(request):
        if multipart_of(media, OCTETS):
            return await multipart(OCTETS, [(OCTETS, value)])
        if media.covers(OCTETS):
            return await streamed(value, OCTETS, sum(length for _, length in found.ranges))
    raise not_acceptable(f'bulk data is served as multipart/related; type="{OCTETS}"')
