"""What an answer has of a worklist item: the attributes that the request names; pure.

One that is asked for and has no value is there, empty. A sequence that is asked for as a whole (without an item, or
with an empty one) comes as a whole.

Spec: PS3.4 K.2.2.1.2 and K.4.1.1.3.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dicomweb.dicomjson.reading import DataSet
from dicomweb.procedure.scheduled.attributes import CHARACTER_SET, TIMEZONE

OF_ANSWER = (CHARACTER_SET, TIMEZONE)
"""Tell how the values are to be read: they are not asked for. Spec: PS3.4 Table K.6-1a (2024d)"""


def answer(keys: DataSet, item: DataSet) -> DataSet:
    """The part of `item` that `keys` ask for."""
    asked = {tag: _part(member, item.get(tag)) for tag, member in keys.items() if tag not in OF_ANSWER}
    zone = {TIMEZONE: item[TIMEZONE]} if TIMEZONE in item else {}
    return dict(sorted((asked | zone).items()))


def _part(key: Mapping[str, Any], found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if found is None or not found.get("Value"):
        return {"vr": key["vr"]}
    wanted = next(iter(key.get("Value", ())), None) if key["vr"] == "SQ" else None
    if not wanted:
        return found
    return {"vr": "SQ", "Value": [_inner(wanted, inner or {}) for inner in found["Value"]]}


def _inner(wanted: DataSet, item: DataSet) -> DataSet:
    return {tag: _part(member, item.get(tag)) for tag, member in wanted.items()}
