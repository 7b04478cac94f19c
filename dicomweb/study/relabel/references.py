"""References between objects, when series go to another study: each names the study that its series is in.

They are found by their form, wherever in an object they stand:

* a study with its series: evidence, predecessors and identical documents of reports and key objects, the references of
  segmentations, registrations and presentations, blending, and what others have in the form of the hierarchical macros;
* the same of radiotherapy, which names the study by an instance UID;
* a series with its study beside it, such as Related Series;
* a study alone (Referenced Study Sequence), which follows where all of it goes to another one.

What was ordered (Request Attributes, Referenced Request) stays: it says which study was asked for. So does what earlier
changes replaced.

Spec: PS3.3 C.12.2 (Common Instance Reference), Tables C.17-3 and C.17-3b (hierarchical references), C.8.8.5 (structure
sets), C.7.2.1 and Table 10-11 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OWN_STUDY, OTHER_STUDIES = 0x00081115, 0x00081200
"""The Referenced Series of an object's own study, and those of other studies."""
STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00081155
STUDIES = 0x00081110
"""Referenced Study Sequence, whose items name a study like an instance."""
SERIES_OF = {STUDY: OWN_STUDY, INSTANCE: 0x30060014}
"""By the attribute that names a study: the sequence of its series beside it."""
ORDERED = frozenset({0x00400275, 0x0040A370})
HISTORY = 0x04000561
MAY_BE_SEQUENCES = frozenset({"SQ", "UN", None})
"""Representations as they are read: of implicit ones nothing is said."""
PRESENTATIONS = "1.2.840.10008.5.1.4.1.1.11."
"""Presentation states say in the same attribute to which images they belong, which are of their own study always."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Series that were in the study `old` are in the study `new`; `own` is the study that the object itself is in then,
    which it came to by that when it `came`. `whole` says that nothing stays in the old study.
    """

    series: frozenset[str]
    old: str
    new: str
    own: str
    came: bool
    whole: bool = False

    def study_of(self, study: str, series: str) -> str:
        """The study that a series is in, which was in `study`."""
        return self.new if study == self.old and series in self.series else study


def renewed(head: Dataset, moved: Moved) -> dict[int, list[Dataset]]:
    """The sequences of an object that are different afterwards, by tag; empty ones are to go."""
    found: dict[int, list[Dataset]] = {}
    common = _common(head, moved) if not str(head.get("SOPClassUID", "")).startswith(PRESENTATIONS) else None
    for tag, items in _sequences(head):
        if common is not None and tag in (OWN_STUDY, OTHER_STUDIES):
            continue
        after = _items_anew(tag, items, moved)
        if after is not None:
            found[tag] = after
    return found | (common or {})


def _sequences(ds: Dataset) -> Iterator[tuple[int, list[Dataset]]]:
    """The sequences of a data set that may refer to something, without reading those that have no room to."""
    for tag in list(ds.keys()):
        if tag in ORDERED or tag == HISTORY or tag.is_private or ds.get_item(tag).VR not in MAY_BE_SEQUENCES:
            continue
        element = ds[tag]
        if element.VR == "SQ" and element.value:
            yield int(tag), list(element.value)


def _items_anew(tag: int, items: list[Dataset], moved: Moved) -> list[Dataset] | None:
    """The items of a sequence as they are afterwards, without those that they were; None where nothing differs."""
    made: list[Dataset] = []
    differs = False
    for item in items:
        after = _item_anew(tag, item, moved)
        differs = differs or after is not None
        made += [item] if after is None else after
    return _united(made) if differs else None


def _item_anew(tag: int, item: Dataset, moved: Moved) -> list[Dataset] | None:
    """One item as it is afterwards: two where some of its series went, and some did not."""
    inside = {inner: after for inner, items in _sequences(item) if (after := _items_anew(inner, items, moved))}
    one = item if not inside else _with(item, inside)
    for named, of in SERIES_OF.items():
        if _uid(one, named) == moved.old and of in one:
            return _apart(one, named, of, moved) or ([one] if inside else None)
    if _uid(one, STUDY) == moved.old and moved.study_of(moved.old, _uid(one, SERIES)) == moved.new:
        return [_with(one, {STUDY: moved.new})]
    if tag == STUDIES and moved.whole and _uid(one, INSTANCE) == moved.old:
        return [_with(one, {INSTANCE: moved.new})]
    return [one] if inside else None


def _apart(item: Dataset, named: int, of: int, moved: Moved) -> list[Dataset] | None:
    """A study with its series: those that went name the new one."""
    stay = [one for one in item[of].value if _uid(one, SERIES) not in moved.series]
    went = [one for one in item[of].value if _uid(one, SERIES) in moved.series]
    if not went:
        return None
    made = [_with(item, {of: stay})] if stay else []
    return [*made, _with(item, {named: moved.new, of: went})]


def _with(item: Dataset, values: Mapping[int, Any]) -> Dataset:
    """A copy of an item with other values; the one that is there is kept as what was before."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    made = Dataset()
    for element in item:
        if element.tag not in values:
            made[element.tag] = deepcopy(element)
    for tag, value in values.items():
        made.add_new(tag, *(("UI", value) if isinstance(value, str) else ("SQ", Sequence(value))))
    return made


def _united(items: list[Dataset]) -> list[Dataset]:
    """Items of the same study as one, where they have nothing but the study and its series."""
    found: list[Dataset] = []
    for item in items:
        like = next((one for one in found if _is_bare(one) and _is_bare(item) and _same(one, item)), None)
        if like is None:
            found.append(item)
        else:
            position = next(index for index, one in enumerate(found) if one is like)
            found[position] = _with(like, {OWN_STUDY: [*like[OWN_STUDY].value, *item[OWN_STUDY].value]})
    return found


def _is_bare(item: Dataset) -> bool:
    return set(item.keys()) == {STUDY, OWN_STUDY}


def _same(one: Dataset, other: Dataset) -> bool:
    return _uid(one, STUDY) == _uid(other, STUDY)


def _uid(item: Dataset, tag: int) -> str:
    return str(item[tag].value or "") if tag in item else ""


def _common(head: Dataset, moved: Moved) -> dict[int, list[Dataset]]:
    """The Common Instance Reference Module: what is of the own study apart from what is of others."""
    was = moved.old if moved.came else moved.own
    before = [(was, str(item.get("SeriesInstanceUID", "")), item) for item in _items(head, OWN_STUDY)]
    before += _flat(_items(head, OTHER_STUDIES))
    after = [(moved.study_of(study, series), series, item) for study, series, item in before]
    if not before or ([one[0] for one in before] == [one[0] for one in after] and was == moved.own):
        return {}
    return {
        OWN_STUDY: [item for study, _, item in after if study == moved.own],
        OTHER_STUDIES: _hierarchy(one for one in after if one[0] != moved.own),
    }


Reference = tuple[str, str, "Dataset"]
"""StudyInstanceUID, SeriesInstanceUID, and the item of the series."""


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
