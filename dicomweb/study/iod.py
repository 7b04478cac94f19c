"""What an object must say of itself for its bulk data, and what is derived where it says nothing.

Spec: PS3.3 A.8, A.32.5, A.45, A.85, C.7.6.3, C.7.6.5, C.8.6.1, C.24.2 (2024d); PS3.18 10.5.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb.dicomjson.model import Member, Members, number_of, text_of
from healix_fhir.kernel.errors import Category, HealixError

SOP_CLASS, MODALITY, CONVERSION_TYPE = 0x00080016, 0x00080060, 0x00080064
MIME_TYPE, DOCUMENT, DOCUMENT_LENGTH = 0x00420012, 0x00420011, 0x00420015
SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
POINTER, ROWS, COLUMNS = 0x00280009, 0x00280010, 0x00280011
ALLOCATED, STORED, HIGH, REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
LOSSY, RATIO, METHOD = 0x00282110, 0x00282112, 0x00282114
FRAME_TIME = 0x00181063
REQUIRED = {
    ROWS: "Rows", COLUMNS: "Columns", SAMPLES: "SamplesPerPixel", PHOTOMETRIC: "PhotometricInterpretation",
    ALLOCATED: "BitsAllocated", STORED: "BitsStored", HIGH: "HighBit", REPRESENTATION: "PixelRepresentation",
}  # fmt: skip
"""What describes pixels that do not describe themselves: type 1 of the Image Pixel Description Macro."""
FLOATING = frozenset({ROWS, COLUMNS, SAMPLES, PHOTOMETRIC, ALLOCATED})
CLASS = "1.2.840.10008.5.1.4.1.1."

DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "application/pdf": (f"{CLASS}104.1", "DOC"),
    "text/xml": (f"{CLASS}104.2", "DOC"),
    "model/stl": (f"{CLASS}104.3", "M3D"),
    "model/obj": (f"{CLASS}104.4", "M3D"),
    "model/mtl": (f"{CLASS}104.5", "M3D"),
}
"""SOP class and modality of an encapsulated document by its media type."""
DOCUMENT_TYPES = {sop_class: media for media, (sop_class, _) in DOCUMENTS.items()}


@dataclass(frozen=True, slots=True)
class Described:
    """What pixels say of themselves. `sure`: also of their colours, whatever the metadata say."""

    rows: int
    columns: int
    samples: int
    bits: int
    frames: int | None
    photometric: str
    sure: bool
    signed: bool = False
    method: str | None = None
    ratio: float | None = None
    milliseconds: float | None = None
    video: bool = False


def mismatch(message: str) -> HealixError:
    """The data set does not match its SOP class, or its bulk data."""
    return HealixError(Category.UNPROCESSABLE, message)


def require_description(members: Members, *, floating: bool) -> None:
    """Native pixels need their description. Raises Unprocessable, naming what is missing."""
    needed = FLOATING if floating else REQUIRED.keys()
    missing = [REQUIRED[tag] for tag in REQUIRED if tag in needed and not text_of(members, tag)]
    if missing:
        raise mismatch(f"uncompressed pixel data needs {', '.join(missing)}")


def describe(members: Members, found: Described) -> Members:
    """Enter what the pixels say where the metadata do not, and correct what would make them unreadable.

    Returns the attributes that were replaced, as they were. Raises Unprocessable where the two contradict each other.
    """
    allocated = 8 if found.bits <= 8 else 16
    facts = {ROWS: found.rows, COLUMNS: found.columns, SAMPLES: found.samples}
    if found.frames is not None and (found.frames > 1 or FRAMES in members):
        facts[FRAMES] = found.frames
    for tag, fact in facts.items():
        given = number_of(members, tag)
        if given is not None and given != fact:
            raise mismatch(f"{tag:08X} is not what the pixel data says")
        _default(members, tag, "IS" if tag == FRAMES else "US", fact)
    if found.video and not number_of(members, FRAMES):
        raise mismatch("NumberOfFrames is missing, and this video does not say it")
    if (number_of(members, ALLOCATED) or allocated) < found.bits:
        raise mismatch("BitsAllocated is less than the pixel data needs")
    _default(members, ALLOCATED, "US", allocated)
    _default(members, STORED, "US", found.bits)
    _default(members, HIGH, "US", (number_of(members, STORED) or found.bits) - 1)
    _default(members, REPRESENTATION, "US", int(found.signed))
    return _colours(members, found) | _losses(members, found)


def _default(members: Members, tag: int, vr: str, value: Any) -> None:
    if not text_of(members, tag):
        members[tag] = Member(vr, [value])


def _colours(members: Members, found: Described) -> Members:
    replaced: Members = {}
    _default(members, PHOTOMETRIC, "CS", found.photometric)
    given = text_of(members, PHOTOMETRIC)
    if (found.samples == 1) != (given.startswith("MONOCHROME") or given == "PALETTE COLOR"):
        raise mismatch("PhotometricInterpretation is not one of an image with so many samples")
    alike = {given, found.photometric} == {"YBR_FULL", "YBR_FULL_422"}
    if found.samples > 1:
        if found.sure and given != found.photometric and not alike:
            _replace(members, PHOTOMETRIC, Member("CS", [found.photometric]), replaced)
        if text_of(members, PLANAR) not in ("", "0"):
            _replace(members, PLANAR, Member("US", [0]), replaced)
        _default(members, PLANAR, "US", 0)
    return replaced


def _losses(members: Members, found: Described) -> Members:
    """Pixels that lost something say so, also where their sender does not know. Spec: PS3.3 C.7.6.1.1.5 (2024d)"""
    replaced: Members = {}
    if found.method is not None:
        if text_of(members, LOSSY) not in ("", "01"):
            _replace(members, LOSSY, Member("CS", ["01"]), replaced)
        _default(members, LOSSY, "CS", "01")
        _default(members, METHOD, "CS", found.method)
        if found.ratio is not None:
            _default(members, RATIO, "DS", round(found.ratio, 2))
    return replaced


def _replace(members: Members, tag: int, member: Member, replaced: Members) -> None:
    replaced[tag] = members[tag]
    members[tag] = member


def classify_image(members: Members, found: Described) -> None:
    """Enter the SOP class of pixels whose sender names none, and what it demands beside."""
    if found.video:
        if found.milliseconds is not None and POINTER not in members:
            _default(members, FRAME_TIME, "DS", round(found.milliseconds, 6))
            members[POINTER] = Member("AT", [f"{FRAME_TIME:08X}"])
        if _is_new(members, f"{CLASS}77.1.4.1"):
            _default(members, MODALITY, "CS", "XC")
        return
    if (number_of(members, FRAMES) or 1) == 1:
        sop_class = f"{CLASS}7"
    elif found.samples > 1:
        sop_class = f"{CLASS}7.4"
    else:
        sop_class = f"{CLASS}7.2" if found.bits <= 8 else f"{CLASS}7.3"
    if _is_new(members, sop_class):
        _default(members, MODALITY, "CS", "OT")
        _default(members, CONVERSION_TYPE, "CS", "WSD")


def classify_document(members: Members, media: str, length: int) -> Members:
    """Enter what a document of a media type and length demands; returns what was replaced, as it was.

    Raises Unprocessable where its SOP class, or the type that the metadata say, are of another kind.
    """
    given = text_of(members, MIME_TYPE).lower()
    if not given and media in DOCUMENT_TYPES.values():
        members[MIME_TYPE] = Member("LO", [media])
    given = text_of(members, MIME_TYPE).lower()
    if not given:
        raise mismatch("MIMETypeOfEncapsulatedDocument is missing")
    if media not in (given, "application/octet-stream"):
        raise mismatch("the document is of another type than MIMETypeOfEncapsulatedDocument says")
    if given in DOCUMENTS and _is_new(members, DOCUMENTS[given][0]):
        _default(members, MODALITY, "CS", DOCUMENTS[given][1])
        _default(members, CONVERSION_TYPE, "CS", "WSD")
    wanted = DOCUMENT_TYPES.get(text_of(members, SOP_CLASS))
    if wanted is not None and wanted != given:
        raise mismatch(f"objects of this SOP class hold a document of type {wanted}")
    replaced: Members = {}
    if number_of(members, DOCUMENT_LENGTH) not in (None, length):
        _replace(members, DOCUMENT_LENGTH, Member("UL", [length]), replaced)
    _default(members, DOCUMENT_LENGTH, "UL", length)
    return replaced


def _is_new(members: Members, sop_class: str) -> bool:
    """Enter the SOP class where there is none; whether there was none."""
    if text_of(members, SOP_CLASS):
        return False
    members[SOP_CLASS] = Member("UI", [sop_class])
    return True
