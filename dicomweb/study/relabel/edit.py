"""An object with other labels: its head written anew, all that comes after the head as it was, byte for byte.

What was replaced stands in the object's Original Attributes Sequence. Text that the object's character set cannot hold
brings the head into UTF-8.

Spec: PS3.3 C.12.1 and C.12.1.1.9 (2024d): Original Attributes Macro; PS3.4 B.4.1.3 (2024d): what an archive may modify
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from dicomweb.dicomjson.encode import UTF_8
from dicomweb.dicomjson.syntax import Syntax
from dicomweb.study.coercion import HEALIX
from dicomweb.study.relabel.labels import LABELS, OTHER_PATIENT
from dicomweb.study.relabel.references import Moved, renewed
from healix_fhir.kernel.errors import Category, HealixError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CORRECT = "CORRECT"
LAST_LABEL, LAST_TEXT, PIXELS = 0x04000561, 0x52FFFFFF, 0x7FE00000
"""Where the last label may be, the last text that people read (in functional groups), and the first pixels."""
LARGE = 1 << 20
"""Bytes of a value that stays where it is."""
CHUNK = 1 << 20
STUDY = 0x0020000D
DEFAULT = "ISO_IR 6"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an object: `labels` by keyword, the `study` it is in from now on, and what moved with it."""

    labels: Mapping[str, str] = field(default_factory=dict)
    study: str | None = None
    moved: Moved | None = None


def edited(plain: BinaryIO, syntax: Syntax, change: Change, when: datetime) -> Iterator[bytes]:
    """The data set that `plain` (inflated, at its beginning) holds, changed, in pieces. Raises Unprocessable.

    Of a deflated transfer syntax the pieces are deflated again.
    """
    pieces = _edited(plain, syntax, change, when)
    return _deflated(pieces) if syntax.deflated else pieces


def _edited(plain: BinaryIO, syntax: Syntax, change: Change, when: datetime) -> Iterator[bytes]:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import read_dataset
    from pydicom.filewriter import write_dataset

    with _lenient():
        try:
            head = read_dataset(plain, syntax.implicit, syntax.little, stop_when=_stopping(change))
            written = DicomBytesIO()
            written.is_implicit_VR, written.is_little_endian = syntax.implicit, syntax.little
            _apply(head, change, when)
            write_dataset(written, head)
        except HealixError:
            raise
        except Exception as error:  # whatever the library says of data sets that it cannot read or write
            detail = repr(error)
            raise HealixError(
                Category.UNPROCESSABLE, "an object cannot be written anew: its attributes are broken", detail=detail
            ) from error
    yield written.getvalue()
    while chunk := plain.read(CHUNK):
        yield chunk


def _stopping(change: Change) -> Callable[[int, str | None, int], bool]:
    """Where the head ends: at a large value behind all labels; where the character set may change, or references are
    looked for, behind all text.
    """
    labels = "".join(change.labels.values())
    last = LAST_LABEL if labels.isascii() and change.moved is None else LAST_TEXT
    return lambda tag, _, length: tag >= PIXELS or (tag > last and length >= LARGE)


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for piece in pieces:
        if packed := stream.compress(piece):
            yield packed
    yield stream.flush()


@contextmanager
def _lenient() -> Iterator[None]:
    """Values as they are, however they break their representation: they are not ours to mend."""
    from pydicom import config

    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _apply(head: Dataset, change: Change, when: datetime) -> None:
    """Write the change into `head`, and what it replaced into the Original Attributes Sequence."""
    from pydicom.dataset import Dataset

    _fitting(head, change.labels)
    before = Dataset()
    for tag, value in _wanted(head, change).items():
        _keep(head, before, tag)
        if value is None:
            del head[tag]
        else:
            head.add_new(tag, *value)
    if change.moved is not None:
        for tag, sequence in renewed(head, change.moved).items():
            if tag in head or sequence:
                _keep(head, before, tag)
            if sequence:
                head.add_new(tag, "SQ", sequence)
            elif tag in head:
                del head[tag]
    if len(before):
        _record(head, before, when)


def _wanted(head: Dataset, change: Change) -> dict[int, tuple[str, Any] | None]:
    """Representation and value of what is to be different, None for what is to go."""
    found: dict[int, tuple[str, Any] | None] = {}
    given = {LABELS[name][0]: (LABELS[name][1], value) for name, value in change.labels.items()}
    if (new_id := given.get(LABELS["PatientID"][0])) is not None and _text(head, LABELS["PatientID"][0]) != new_id[1]:
        found |= dict.fromkeys(tag for tag in OTHER_PATIENT if tag in head and tag not in given)
    if change.study is not None:
        given[STUDY] = ("UI", change.study)
    found |= {tag: one for tag, one in given.items() if tag not in head or _text(head, tag) != one[1]}
    return {tag: one for tag, one in found.items() if tag in head or (one is not None and one[1])}


def _text(head: Dataset, tag: int) -> str:
    value = head[tag].value if tag in head else ""
    return "" if value is None else str(value)


def _keep(head: Dataset, before: Dataset, tag: int) -> None:
    from pydicom.datadict import dictionary_VR

    if tag in head:
        before[tag] = head[tag]
    else:
        before.add_new(tag, dictionary_VR(tag), None)


def _record(head: Dataset, before: Dataset, when: datetime) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    item = Dataset()
    item.ModifiedAttributesSequence = Sequence([before])
    item.AttributeModificationDateTime = when.strftime("%Y%m%d%H%M%S.%f%z")
    item.ModifyingSystem = HEALIX
    item.SourceOfPreviousValues = ""
    item.ReasonForTheAttributeModification = CORRECT
    earlier = list(head.OriginalAttributesSequence or ()) if "OriginalAttributesSequence" in head else []
    head.OriginalAttributesSequence = Sequence([*earlier, item])


def _fitting(head: Dataset, labels: Mapping[str, str]) -> None:
    """Bring the text into UTF-8 where the character set of the object cannot hold what will be new in it."""
    from pydicom.charset import convert_encodings

    text = "".join(labels.values())
    if text.isascii():
        return
    named = head.get("SpecificCharacterSet") or DEFAULT
    if named != DEFAULT and _holds(convert_encodings(named if isinstance(named, str) else list(named)), text):
        return
    head.decode()
    head.SpecificCharacterSet = UTF_8


def _holds(encodings: list[str], text: str) -> bool:
    from pydicom.charset import decode_bytes, encode_string

    try:
        return decode_bytes(encode_string(text, encodings), encodings, set()) == text
    except UnicodeError:
        return False
