"""Documents of the Native DICOM Model, brought to a form in which two can be compared."""

from __future__ import annotations

from struct import pack, unpack
from typing import Any
from xml.etree import ElementTree as ET

NUMBERS = ("DS", "IS", "FL", "FD", "US", "SS", "UL", "SL")
CHARACTER_SET = "00080005"
"""Ours says UTF-8, dcmtk's what the file says."""


def model(element: ET.Element) -> dict[Any, Any]:
    """A document without the order of attributes and the form of numbers: representation, keyword and values by tag."""
    found = {}
    for one in element.findall("DicomAttribute"):
        vr, tag = one.attrib["vr"], one.attrib["tag"]
        if (
            tag == CHARACTER_SET
            or tag.startswith("0002")
            or one.find("BulkData") is not None
            or one.find("InlineBinary") is not None
        ):
            continue
        found[tag, one.attrib.get("privateCreator", "")] = (vr, one.attrib.get("keyword", ""), values(one, vr))
    return found


def values(one: ET.Element, vr: str) -> list[Any]:
    """The values of an attribute by number."""
    found: list[Any] = [(value.attrib["number"], _plain(value.text or "", vr)) for value in one.findall("Value")]
    found += [(item.attrib["number"], model(item)) for item in one.findall("Item")]
    found += [
        (name.attrib["number"], [(part.tag, part.text) for part in name.iter() if part.text and part.text.strip()])
        for name in one.findall("PersonName")
    ]
    return [value for value in found if value[1] not in ("", [])]


def _plain(text: str, vr: str) -> Any:
    if vr not in NUMBERS or not text.strip():
        return text.strip()
    return unpack("<f", pack("<f", float(text)))[0] if vr == "FL" else float(f"{float(text):.14g}")
