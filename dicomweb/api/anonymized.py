"""`anonymize=yes` of WADO-URI: an object without what identifies anybody, made when it is asked for.

It is made in a process of its own into a file that is gone with the answer. That it was retrieved is audited, as
anonymised, when it is there: who is refused, because it may have text in its pixels or cannot be looked through, has
got nothing.

Spec: PS3.18 9.4.1.2.1 and 9.4.2.3 (2024d); PS3.15 E.2 and E.3.1 (2026c)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dicomweb.api.accept import DICOM, not_acceptable
from dicomweb.api.conditional import KEPT, is_known, tag_of, unchanged
from dicomweb.api.content import BATCH, batches
from dicomweb.api.edge import Edge
from dicomweb.api.wado import Written, written_as
from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.object import deidentified
from dicomweb.deidentify.options import Profile
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.pixel.image import Image
from dicomweb.pixel.pool import work
from dicomweb.pixel.syntaxes import WRITTEN
from dicomweb.research.making import file_of
from dicomweb.research.projects import Project, on_request
from dicomweb.study import retrieve
from healix_fhir.kernel.database import aat_once, atransaction
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext

SUBTYPE = "retrieve-anonymized"
"""What the audit trail calls it."""
ELSEHOW = "this instance cannot be anonymised in that transfer syntax"
AGAIN = HealixError(Category.UNAVAILABLE, "the instance is being replaced; try again", retry_after=1)


async def anonymized(
    edge: Edge, request: Request, access: AccessContext, uids: tuple[str, str, str], asked: str | None
) -> Response:
    """The file of one instance de-identified, in the transfer syntax `asked` or that which is the default for it.

    Raises as `retrieve.instances`; NotAcceptable for a transfer syntax that it cannot be had in, Unprocessable for an
    object of which it cannot be known that it identifies nobody afterwards.
    """
    (found,) = await aat_once(edge.pool, retrieve.instances(access, *uids, subtype=None))
    written = await written_as(edge, access, found, asked)
    project = await atransaction(edge.pool, lambda: on_request(access.origin))
    tag = tag_of(SUBTYPE, str(project.number), found.key, written.syntax)
    if is_known(request, tag):
        await _recorded(edge, access, uids, found.key)
        return unchanged(tag)
    syntax, file = await _made(edge.archive, written, project, asked)
    try:
        await _recorded(edge, access, uids, found.key)
    except BaseException:
        file.close()
        raise
    headers = {
        **KEPT,
        "ETag": tag,
        "Content-Type": f"{DICOM}; transfer-syntax={syntax}",
        "Content-Length": str(os.fstat(file.fileno()).st_size),
    }
    if request.method == "HEAD":
        file.close()
        return Response(None, 200, headers)
    return StreamingResponse(batches(_read(file)), 200, headers)


async def _recorded(edge: Edge, access: AccessContext, uids: tuple[str, str, str], key: str) -> None:
    """Say that it is shown now, under the access of now. Raises as `retrieve.instances`."""
    if await edge.reader.one(access, uids, SUBTYPE, lambda held: held.instance.key) != key:
        raise AGAIN


async def _made(archive: Archive, written: Written, project: Project, asked: str | None) -> tuple[str, BinaryIO]:
    """The transfer syntax of the result, and its file, open and already without a name. Raises as `anonymized`."""
    folder = Path(await aside(mkdtemp, prefix="anonymize-", dir=archive.incoming))
    source, target = folder / "from", folder / "made"
    try:
        source = await aside(file_of, archive, written.instance, source)
        stored = written.instance.transfer_syntax
        form = None if written.syntax == stored else written.syntax
        make = partial(_make, source, target, project.secret, project.profile)
        syntax = await work(make, stored, form, written.pixels)
        if asked not in (None, "*", syntax):
            raise not_acceptable(ELSEHOW)
        return syntax, await aside(_opened, target)
    finally:
        await aside(_removed, folder)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _removed(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _make(
    source: Path, target: Path, secret: bytes, profile: Profile, stored: str, form: str | None, image: Image | None
) -> str:
    """In a process of the pool: write the file, in the transfer syntax `form` if any; which one it has got."""
    with source.open("rb") as file, target.open("w+b") as made:
        deidentified(file, made, Keys(secret), profile)
        made.seek(0)
        read = read_meta(made.read(META_LIMIT + 16))
    if read is None:
        raise HealixError(Category.FAULT, "a file that was made has no data set")
    syntax = read[0].transfer_syntax
    if form in (None, syntax):
        return syntax
    if syntax != stored and form not in WRITTEN:  # blanked pixels are not what `image` describes any more
        raise not_acceptable(ELSEHOW)
    from dicomweb.pixel.rewrite import rewritten

    target.write_bytes(rewritten(target.read_bytes(), image, form))
    return form


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(BATCH):
            yield piece
