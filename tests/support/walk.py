"""The tag walker on a whole file in memory."""

from __future__ import annotations

import json
from typing import Any

from dicomweb.dicomjson.header import Header
from dicomweb.dicomjson.inflate import bound, inflate
from dicomweb.dicomjson.part10 import read_meta
from dicomweb.dicomjson.syntax import syntax
from dicomweb.dicomjson.walker import walk


def header_of(file: bytes, wanted: frozenset[int] = frozenset()) -> Header:
    """What the walker finds in a file."""
    found = read_meta(file)
    assert found is not None
    meta, start = found
    form = syntax(meta.transfer_syntax)
    if form.deflated:
        file, start = b"".join(inflate([file[start:]], bound(len(file)))), 0
    return walk(file, start, len(file), form, wanted)


def json_of(file: bytes) -> dict[str, Any]:
    """The DICOM JSON that the walker makes of a file."""
    model: dict[str, Any] = json.loads(header_of(file).metadata)
    return model
