"""One stored object, written anew beside itself: received like any other, so that all that is known of it is exact."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import BinaryIO

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.inflate import bound, inflate
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.dicomjson.syntax import syntax
from dicomweb.study.receive import Received, Receiver
from dicomweb.study.relabel.edit import edited
from dicomweb.study.relabel.objects import Concerned
from healix_fhir.kernel.errors import invalid


def rewritten(receiver: Receiver, one: Concerned, when: datetime) -> Received:
    """The object, which is read once, as it is afterwards, in the archive, without rows.

    Raises Unprocessable, Unavailable, Full.
    """
    archive = receiver.archive
    chunks = iter(archive.stream(one.key, 0, one.size))
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= META_LIMIT + 16:
            break
    meta = read_meta(bytes(head))
    if meta is None:
        raise invalid("this is no DICOM file: it ends before its data set")
    form = syntax(meta[0].transfer_syntax)
    rest: Iterable[bytes] = chain((bytes(head[meta[1] :]),), chunks)
    incoming = receiver.begin()
    try:
        incoming.write(head[: meta[1]])
        with _plain(inflate(rest, bound(one.size)) if form.deflated else rest, archive) as plain:
            for piece in edited(plain, form, one.change, when):
                incoming.write(piece)
        return incoming.finish()
    except BaseException:
        incoming.abort()
        raise


@contextmanager
def _plain(chunks: Iterable[bytes], archive: Archive) -> Iterator[BinaryIO]:
    """The data set, at its beginning."""
    with tempfile.TemporaryFile(dir=archive.incoming) as plain:
        plain.writelines(chunks)
        plain.seek(0)
        yield plain
