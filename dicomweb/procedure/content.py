"""What the data set of a procedure step holds, and how it is made.

Spec: PS3.18 F.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.reading import GROUPS, DataSet


def values(dataset: DataSet, tag: str) -> list[Any]:
    """The values of an attribute; none where it is absent or empty."""
    return [value for value in dataset.get(tag, {}).get("Value", ()) if value not in (None, "", {})]


def text(dataset: DataSet, tag: str) -> str:
    """The first value of an attribute of text; empty where there is none."""
    found = values(dataset, tag)
    return str(found[0]).strip() if found else ""


def items(dataset: DataSet, tag: str) -> Iterator[DataSet]:
    """The items of a sequence."""
    return (item or {} for item in dataset.get(tag, {}).get("Value", ()))


def name_of(dataset: DataSet, tag: str) -> str:
    """The first value of a person name as PS3.5 6.2.1 writes it."""
    found = values(dataset, tag)
    return "=".join(found[0].get(group, "") for group in GROUPS).rstrip("=") if found else ""


def made(attributes: Mapping[str, Any]) -> DataSet:
    """A data set by keyword: a value, a list of values or of items (data sets); what is empty or None is left empty."""
    members = {}
    for keyword, given in attributes.items():
        number = dictionary.tag(keyword)
        vr = dictionary.public(number) or "UN"
        members[f"{number:08X}"] = {"vr": vr} | _values(vr, given)
    return dict(sorted(members.items()))


def _values(vr: str, given: Any) -> dict[str, list[Any]]:
    listed: Iterable[Any] = given if isinstance(given, list | tuple) else (given,)
    found = [_name(value) if vr == "PN" and isinstance(value, str) else value for value in listed if value]
    return {"Value": found} if found else {}


def _name(written: str) -> dict[str, str]:
    return {group: part for group, part in zip(GROUPS, written.split("="), strict=False) if part}
