"""References between objects, when series go to another study: each names the study that its series is in.

Spec: PS3.3 C.12.2 (Common Instance Reference), C.17.2 and Table C.17-3 (hierarchical references) (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OWN_STUDY, OTHER_STUDIES = 0x00081115, 0x00081200
"""The Referenced Series of an object's own study, and those of other studies."""
EVIDENCE, FURTHER_EVIDENCE = 0x0040A375, 0x0040A385
PRESENTATIONS = "1.2.840.10008.5.1.4.1.1.11."
"""Presentation states say in the same attribute to which images they belong, which are of their own study always."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Series that were in the study `old` are in the study `new`; `own` is the study that the object itself is in then,
    which it came to by that when it `came`.
    """

    series: frozenset[str]
    old: str
    new: str
    own: str
    came: bool


def renewed(head: Dataset, moved: Moved) -> dict[int, list[Dataset]]:
    """The sequences that are different afterwards, by tag; empty ones are to go."""
    found: dict[int, list[Dataset]] = {}
    for tag in (EVIDENCE, FURTHER_EVIDENCE):
        if tag in head:
            before = _flat(head[tag].value)
            after = [(_study(study, series, moved), series, item) for study, series, item in before]
            if _differ(before, after):
                found[tag] = _hierarchy(after)
    if not str(head.get("SOPClassUID", "")).startswith(PRESENTATIONS):
        found |= _common(head, moved)
    return found


def _common(head: Dataset, moved: Moved) -> dict[int, list[Dataset]]:
    """The Common Instance Reference Module: what is of the own study apart from what is of others."""
    was = moved.old if moved.came else moved.own
    before = [(was, str(item.get("SeriesInstanceUID", "")), item) for item in _items(head, OWN_STUDY)]
    before += _flat(_items(head, OTHER_STUDIES))
    after = [(_study(study, series, moved), series, item) for study, series, item in before]
    if not before or (not _differ(before, after) and was == moved.own):
        return {}
    return {
        OWN_STUDY: [item for study, _, item in after if study == moved.own],
        OTHER_STUDIES: _hierarchy(one for one in after if one[0] != moved.own),
    }


Reference = tuple[str, str, "Dataset"]
"""StudyInstanceUID, SeriesInstanceUID, and the item of the series."""


def _study(study: str, series: str, moved: Moved) -> str:
    return moved.new if study == moved.old and series in moved.series else study


def _differ(before: list[Reference], after: list[Reference]) -> bool:
    return [study for study, _, _ in before] != [study for study, _, _ in after]


def _items(head: Dataset, tag: int) -> list[Dataset]:
    return list(head[tag].value or ()) if tag in head else []


def _flat(studies: Iterable[Dataset]) -> list[Reference]:
    return [
        (str(study.get("StudyInstanceUID", "")), str(series.get("SeriesInstanceUID", "")), series)
        for study in studies
        for series in study.get("ReferencedSeriesSequence") or ()
    ]


def _hierarchy(references: Iterable[Reference]) -> list[Dataset]:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    studies: dict[str, list[Dataset]] = {}
    for study, _, series in references:
        studies.setdefault(study, []).append(series)
    found = []
    for study, members in studies.items():
        item = Dataset()
        item.ReferencedSeriesSequence = Sequence(members)
        item.StudyInstanceUID = study
        found.append(item)
    return found
