"""Data sets that come as DICOM JSON or XML to be kept as such: checked, and brought into one form.

What is read is a data set as Python values: members by tag in ascending order, `{"vr": …, "Value": […]}`. What JSON
readers differ about is refused (duplicate keys, NaN, lone surrogates), as is what no DICOM element can hold.

Spec: PS3.18 F.2 (2024d); PS3.5 6.2 and 7.1 (2024d)
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

from dicomweb.dicomjson import dictionary, read_xml
from dicomweb.dicomjson.model import Member, Members
from dicomweb.uid import is_uid
from healix_fhir.kernel.errors import HealixError, invalid, too_large

DataSet: TypeAlias = dict[str, Any]
"""Members by tag, in ascending order."""

TAG = re.compile(r"[0-9A-Fa-f]{8}")
DEPTH_LIMIT = 16
MEMBER_LIMIT = 20_000
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
DIGITS = re.compile(r"[0-9A-Fa-f]{8}")
SURROGATES = re.compile("[\ud800-\udfff]")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,12}\s*")
DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*")
LONGEST_DECIMAL = 16
TEXT: Mapping[str, re.Pattern[str]] = {
    "AE": re.compile(r"[ -\[\]-~]{0,16}"),
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "DA": re.compile(r"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"),
    "DT": re.compile(
        r"[0-9]{4}(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12][0-9]|3[01])(?:(?:[01][0-9]|2[0-3])(?:[0-5][0-9]"
        r"(?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?)?)?)?(?:[+-](?:0[0-9]|1[0-4])[0-5][0-9])?"
    ),
    "LO": re.compile(r"[^\\]{0,64}"),
    "LT": re.compile(r".{0,10240}", re.DOTALL),
    "SH": re.compile(r"[^\\]{0,16}"),
    "ST": re.compile(r".{0,1024}", re.DOTALL),
    "TM": re.compile(r"(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:(?:[0-5][0-9]|60)(?:\.[0-9]{1,6})?)?)?"),
    "UC": re.compile(r"[^\\]*"),
    "UR": re.compile(r"[!-\[\]-~]*"),
    "UT": re.compile(r".*", re.DOTALL),
}
"""What a value of each VR of text may be, padding aside. Spec: PS3.5 Table 6.2-1 (2024d)"""

WHOLE = {"SS": (-(1 << 15), 1 << 15), "US": (0, 1 << 16), "SL": (-(1 << 31), 1 << 31), "UL": (0, 1 << 32),
         "SV": (-(1 << 63), 1 << 63), "UV": (0, 1 << 64), "IS": (-(1 << 31), 1 << 31)}  # fmt: skip
"""The range of each VR of whole numbers, its end left out."""

PROSE = frozenset({"LT", "ST", "UT", "UR"})
"""VRs of one text, in which spaces at the beginning count."""


def read(body: bytes, most: int = MEMBER_LIMIT) -> DataSet:
    """The one data set of a body, of `most` elements: an object, or an array of one. Raises Invalid, TooLarge."""
    try:
        found = _decoder.decode(body.decode())
    except UnicodeDecodeError:
        raise invalid("the body is not valid UTF-8", code="structure") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise invalid(f"the body is no JSON: {str(error)[:100]}", code="structure") from None
    if isinstance(found, list):
        if len(found) != 1:
            raise invalid("the body must hold one data set", code="structure")
        found = found[0]
    if not isinstance(found, dict):
        raise invalid("the body must hold one data set", code="structure")
    return checked(found, most)


def read_native(document: bytes, most: int = MEMBER_LIMIT) -> DataSet:
    """The data set of `most` elements of a document of the Native DICOM Model. Raises Invalid, TooLarge.

    Spec: PS3.19 A.1 (2024d)
    """
    return checked(as_json(read_xml.read([document])), most)


def as_json(members: Members) -> dict[str, Any]:
    """A data set as DICOM JSON has it, its values unchecked."""
    return {f"{tag:08X}": {"vr": member.vr} | _content(member) for tag, member in members.items()}


def _content(member: Member) -> dict[str, Any]:
    if member.uri is not None:
        return {"BulkDataURI": member.uri}
    if member.octets is not None:
        return {"InlineBinary": b64encode(member.octets).decode()}
    if member.vr == "SQ":
        return {"Value": [as_json(item) for item in member.values]}
    if member.vr == "PN":
        return {"Value": [_groups(value) for value in member.values]}
    return {"Value": list(member.values)}


def _groups(name: str | None) -> dict[str, str] | None:
    return None if name is None else dict(zip(GROUPS, name.split("="), strict=False))


def checked(members: Mapping[str, Any], most: int = MEMBER_LIMIT) -> DataSet:
    """A data set of `most` elements from decoded JSON; see the module. Raises Invalid, naming the element, TooLarge."""
    return _Check(most).data_set(members, "", 1)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


class _Check:
    """One pass over a data set; it counts what it has seen."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._members = 0

    def data_set(self, members: Mapping[str, Any], within: str, depth: int) -> DataSet:
        """The members in order, each as `member` makes it."""
        if depth > DEPTH_LIMIT:
            raise _too_deep()
        self._members += len(members) + 1
        if self._members > self._most:
            raise too_large(f"the data set has more than {self._most} elements")
        found = {}
        for name, member in members.items():
            if not TAG.fullmatch(name):
                raise invalid(f"'{_shown(name)}' is no tag: eight hexadecimal digits", code="structure")
            tag = name.upper()
            if tag in found:
                raise invalid(f"{tag} is there twice", code="structure")
            found[tag] = self._member(tag, member, f"{within}{_named(tag)}", depth)
        return dict(sorted(found.items()))

    def _member(self, tag: str, member: Any, name: str, depth: int) -> dict[str, Any]:
        if not isinstance(member, dict):
            raise invalid(f"{name} is no object with a VR and values", code="structure")
        vr = member.get("vr")
        if not isinstance(vr, str) or (vr not in _VALUES and vr not in BINARY and vr != "SQ"):
            raise invalid(f"{name} has no value representation of the standard", code="value")
        _agrees(tag, vr, name)
        if further := member.keys() - {"vr", "Value", "InlineBinary"}:
            raise invalid(f"{name} has '{_shown(min(further))}', which is not taken here", code="not-supported")
        if vr in BINARY:
            return {"vr": vr} | _binary(member, name)
        values = member.get("Value", [])
        if "InlineBinary" in member or not isinstance(values, list):
            raise invalid(f"{name} ({vr}) needs an array Value", code="structure")
        items: list[Any]
        if vr == "SQ":
            items = [self._item(item, f"{name}[{number}].", depth) for number, item in enumerate(values)]
        else:
            items = [None if value is None else _VALUES[vr](value, vr, name) for value in values]
            items = [None if item in ("", {}) else item for item in items]
            if vr in PROSE and len(items) > 1:
                raise invalid(f"{name} ({vr}) has one value", code="value")
        return {"vr": vr, "Value": items} if any(item is not None for item in items) else {"vr": vr}

    def _item(self, item: Any, within: str, depth: int) -> DataSet:
        if not isinstance(item, dict):
            raise invalid(f"{within[:-1]} is no item of a sequence", code="structure")
        return self.data_set(item, within, depth + 1)


def _agrees(tag: str, vr: str, name: str) -> None:
    """Refuse a VR that is not the standard's for the tag."""
    known = dictionary.public(int(tag, 16)) if int(tag[3], 16) % 2 == 0 else None
    if known is not None and vr not in known.split(" or "):
        raise invalid(f"{name} is of VR {known}, not {vr}", code="value")


def _binary(member: Mapping[str, Any], name: str) -> dict[str, str]:
    text = member.get("InlineBinary", "")
    if "Value" in member or not isinstance(text, str) or not BASE64.fullmatch(text):
        raise invalid(f"{name} needs InlineBinary in base64", code="value")
    return {"InlineBinary": text} if text else {}


def _text(value: Any, vr: str, name: str) -> str:
    if not isinstance(value, str) or CONTROLS.search(value) or SURROGATES.search(value):
        raise _bad(name, vr)
    found = value.rstrip(" ") if vr in PROSE else value.strip(" ")
    if found and not TEXT[vr].fullmatch(found):
        raise _bad(name, vr)
    return found


def _uid(value: Any, vr: str, name: str) -> str:
    found = value.rstrip("\0 ") if isinstance(value, str) else value
    if not isinstance(found, str) or (found and not is_uid(found)):
        raise _bad(name, vr)
    return found


def _person(value: Any, vr: str, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or value.keys() - set(GROUPS):
        raise _bad(name, vr)
    found = {}
    for group in GROUPS:
        text = value.get(group)
        if text is None:
            continue
        if not isinstance(text, str) or len(text) > 64 or CONTROLS.search(text) or SURROGATES.search(text):
            raise _bad(name, vr)
        if set(text) & {"\\", "="}:
            raise _bad(name, vr)
        if stripped := text.rstrip(" ^"):
            found[group] = stripped
    return found


def _whole(value: Any, vr: str, name: str) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    low, end = WHOLE[vr]
    if type(value) is not int or not low <= value < end:
        raise _bad(name, vr)
    return value


def _number(value: Any, vr: str, name: str) -> int | float | str:
    """A DS, FL or FD; a DS that came as text stays as it was written, digit by digit."""
    if isinstance(value, str):
        if not DECIMAL.fullmatch(value) or len(value.strip()) > LONGEST_DECIMAL:
            raise _bad(name, vr)
        return value.strip() if vr == "DS" else float(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _bad(name, vr)
    return value  # type: ignore[no-any-return]


def _attribute_tag(value: Any, vr: str, name: str) -> str:
    if not isinstance(value, str) or not DIGITS.fullmatch(value):
        raise _bad(name, vr)
    return value.upper()


_VALUES: Mapping[str, Callable[[Any, str, str], Any]] = {
    **dict.fromkeys(TEXT, _text),
    **dict.fromkeys(WHOLE, _whole),
    **dict.fromkeys(("DS", "FL", "FD"), _number),
    "UI": _uid,
    "PN": _person,
    "AT": _attribute_tag,
}
"""How one value of each VR is read."""


def _bad(name: str, vr: str) -> HealixError:
    return invalid(f"a value of {name} is no {vr}", code="value")


def _too_deep() -> HealixError:
    return invalid(f"sequences are nested more than {DEPTH_LIMIT} deep", code="structure")


def _named(tag: str) -> str:
    return dictionary.keyword(int(tag, 16)) or tag


def _shown(name: object) -> str:
    return str(name)[:32].encode("ascii", "replace").decode()
