"""What the data set of a workitem holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dicomweb.dicomjson.reading import DataSet


def values(member: Mapping[str, Any] | None) -> list[Any]:
    """The values of a member; none where it is absent or empty."""
    return [value for value in (member or {}).get("Value", ()) if value is not None]


def text(dataset: DataSet, tag: str) -> str:
    """The first value of an attribute of text; empty where there is none."""
    found = values(dataset.get(tag))
    return str(found[0]) if found else ""
