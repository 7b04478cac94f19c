"""One stored object, written anew beside itself: received like any other, so that all that is known of it is exact."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.inflate import bound, inflate
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.dicomjson.syntax import syntax
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.relabel.edit import edited
from dicomweb.study.relabel.objects import Concerned
from healix_fhir.kernel.errors import invalid

CHUNK = 1 << 20


def rewritten(receiver: Receiver, one: Concerned, when: datetime) -> Received:
    """The object as it is afterwards, in the archive, without rows. Raises Unprocessable, Unavailable, Full."""
    archive = receiver.archive
    with tempfile.TemporaryFile(dir=archive.incoming) as copy:
        for chunk in archive.stream(one.key, 0, one.size):
            copy.write(chunk)
        copy.seek(0)
        head = copy.read(META_LIMIT + 16)
        meta = read_meta(head)
        if meta is None:
            raise invalid("this is no DICOM file: it ends before its data set")
        form = syntax(meta[0].transfer_syntax)
        incoming = receiver.begin()
        try:
            incoming.write(head[: meta[1]])
            with _plain(copy, meta[1], archive, deflated=form.deflated) as plain:
                for piece in edited(plain, form, one.change, when):
                    incoming.write(piece)
            return incoming.finish()
        except BaseException:
            incoming.abort()
            raise


def _plain(copy: BinaryIO, start: int, archive: Archive, *, deflated: bool) -> BinaryIO:
    """The data set, inflated, at its beginning."""
    plain = tempfile.TemporaryFile(dir=archive.incoming)  # noqa: SIM115 - the caller closes it
    copy.seek(start)
    chunks: Iterator[bytes] = iter(lambda: copy.read(CHUNK), b"")
    size = os.fstat(copy.fileno()).st_size
    for chunk in inflate(chunks, bound(size)) if deflated else chunks:
        plain.write(chunk)
    plain.seek(0)
    return plain
