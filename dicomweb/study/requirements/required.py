"""What an object lacks of the attributes that its SOP class requires: those of Type 1 of its mandatory modules.

Conditions and values are not looked at, nor what stands in sequences: an object that lacks something here breaks its
IOD for certain, one that does not may break it otherwise.

Spec: PS3.3 A and C (2026), PS3.5 7.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from dicomweb.dicomjson import dictionary

TABLE = Path(__file__).parent / "data" / "required.tsv"
HELD = (b'"Value"', b'"BulkDataURI"', b'"InlineBinary"')
"""What an attribute with a value has in DICOM JSON."""
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def lacking(SOPClassUID: str, metadata: bytes) -> Sequence[str]:  # noqa: N803 - a DICOM keyword
    """The keywords of what a data set, given as DICOM JSON, lacks; nothing is known of other than storage classes."""
    required = _required().get(SOPClassUID, ())
    if not required:
        return ()
    members = _members.decode(metadata)
    return [
        dictionary.keyword(int(tag, 16)) or tag
        for tag in required
        if tag not in members or not any(word in bytes(members[tag]) for word in HELD)
    ]


@cache
def _required() -> Mapping[str, Sequence[str]]:
    """The tags that each storage class requires."""
    modules: dict[str, Sequence[str]] = {}
    classes: dict[str, Sequence[str]] = {}
    for line in TABLE.read_text().splitlines():
        name, _, listed = line.partition("\t")
        if name.startswith("1."):
            classes[name] = sorted({tag for module in listed.split() for tag in modules[module]})
        else:
            modules[name] = listed.split()
    return classes
