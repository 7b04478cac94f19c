"""The objects that a change concerns, and what it makes of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import zstandard

from dicomweb.study.relabel.asked import Relabelling
from dicomweb.study.relabel.edit import Change
from dicomweb.study.relabel.labels import LABELS
from dicomweb.study.relabel.references import Moved
from healix_fhir.kernel.database import Statement, Work


@dataclass(frozen=True, slots=True)
class Concerned:
    """One object to be written anew: the study it is in, its blob, and what becomes of it."""

    study: str
    instance: str
    key: str
    size: int
    change: Change


_OBJECTS = """
SELECT s.study_uid, e.series_uid, i.instance_uid, i.blob, i.size, i.metadata
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = ANY(%s) ORDER BY s.pk, e.series_number, e.pk, i.instance_number, i.pk"""


def concerned(asked: Relabelling) -> Work[list[Concerned]]:
    """All of them: what is labelled or moved, and what refers to that; one statement."""
    studies = sorted({asked.study, asked.target})
    rows = yield Statement(_OBJECTS, (studies,))
    decompress = zstandard.ZstdDecompressor().decompress
    if asked.target == asked.study:
        return [
            Concerned(study, instance, key, size, Change(asked.labels)) for study, _, instance, key, size, _ in rows
        ]
    series = frozenset(asked.series) or frozenset(row[1] for row in rows if row[0] == asked.study)
    first = next((row[5] for row in rows if row[0] == asked.target), None)
    labels = asked.labels if first is None else _labels(msgspec.json.decode(decompress(first)))
    found = []
    for study, own_series, instance, key, size, described in rows:
        comes = study == asked.study and own_series in series
        own = asked.target if comes else study
        moved = Moved(series, asked.study, asked.target, own, comes)
        if comes:
            found.append(Concerned(study, instance, key, size, Change(labels, asked.target, moved)))
        elif _names(decompress(described), series):
            found.append(Concerned(study, instance, key, size, Change({}, None, moved)))
    return found


def _labels(members: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object; those that it has not are empty."""
    found = {}
    for name, (tag, vr) in LABELS.items():
        value = next(iter(members.get(f"{tag:08X}", {}).get("Value", ())), None)
        if vr == "PN" and isinstance(value, dict):
            groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
            value = "=".join(groups).rstrip("=")
        found[name] = str(value) if value is not None else ""
    return found


def _names(described: bytes, series: Sequence[str] | frozenset[str]) -> bool:
    """Whether an object that does not go itself refers to one of the series."""
    return any(f'"{uid}"'.encode() in described for uid in series)
