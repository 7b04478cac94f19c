"""The key images of a study: what Key Object Selections in it mark for whoever reads its report.

A selection marks for many ends (teaching, research, rejection); those count whose title says that the images are of
interest to readers of the report.

Spec: PS3.3 A.35.4 and C.17.6, PS3.16 TID 2010 and CID 7010 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.pixel.blending import BLENDING_STATE
from dicomweb.pixel.image import Attributes
from dicomweb.pixel.presentation import images_of
from dicomweb.study.pictures import PRESENTATIONS, Category, Shown, of_rows, referenced
from dicomweb.study.records import OF_CLASS, STORAGE
from dicomweb.study.reject import KEY_OBJECTS
from dicomweb.study.retrieve import Picked, some
from dicomweb.uid import is_uid
from healix_fhir.kernel.database import Fragment, Work
from smart_auth.access import AccessContext

TITLES = frozenset({"113000", "113002", "113007", "113013", "113018", "113020"})
"""Of interest, for referring provider, for patient, best in set, for printing, for report attachment (DCM)."""
MOST_SELECTIONS, MOST = 20, 100
"""Selections of a study that are read, the last of it; images that they mark in all."""
MOST_STATES = 50
"""Presentation states of a study that are offered."""
STATES = [
    STORAGE + name for name, kind in OF_CLASS.items() if kind in PRESENTATIONS and STORAGE + name != BLENDING_STATE
]
RENDERED = "retrieve-rendered"
LONGEST = 400
"""Characters of a description."""
TITLE, CODE, SCHEME, CONTENT = "0040A043", "00080100", "00080102", "0040A730"
VALUE_TYPE, TEXT, DESCRIPTION = "0040A040", "0040A160", "113012"
REFERENCED, INSTANCE, FRAME = "00081199", "00081155", "00081160"


@dataclass(frozen=True, slots=True)
class Mark:
    """An image that is marked, by its SOP Instance UID; `frame` counts from 1, None for the one that stands for it;
    `state` is the SOP Instance UID of the presentation state that it is to be shown with, or empty.
    """

    instance: str
    frame: int | None = None
    comment: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """An image that is marked and may be seen, with the presentation state that applies to it, if any."""

    mark: Mark
    shown: Shown
    state: Shown | None = None


def key_images(access: AccessContext, study: str, subtype: str | None = RENDERED) -> Work[list[Marked]]:
    """What is marked in a study, as far as `access` may see it and it is there; audited as `subtype`, if any. Raises as
    `instances`.
    """
    selections = Fragment("i.sop_class_uid = %s", (KEY_OBJECTS,))
    rows = yield from some(
        access, study, None, None, None, picked=Picked(selections, f"place > total - {MOST_SELECTIONS}")
    )
    marks = [mark for one in reversed(of_rows(rows)) for mark in marks_of(one.members)]
    return (yield from marked(access, study, marks, subtype)) if marks else []


def chosen(
    access: AccessContext, study: str, named: Sequence[Mark], subtype: str | None = RENDERED
) -> Work[list[Marked]]:
    """The images that a report names, then those that are marked in its study; audited as `subtype`, if any."""
    of_report = (yield from marked(access, study, named, subtype)) if named else []
    once = {one.instance for one in named}
    of_study = yield from key_images(access, study, subtype)
    return [*of_report, *(one for one in of_study if one.mark.instance not in once)]


def marked(
    access: AccessContext, study: str, marks: Sequence[Mark], subtype: str | None = RENDERED
) -> Work[list[Marked]]:
    """Those of the marks, each once, whose image is in the study and may be seen; audited as `subtype`, if any. A
    presentation state that is not there, or does not present the image, is left away.
    """
    asked = list(dict.fromkeys(marks))[:MOST]
    wanted = [uid for one in asked for uid in (one.instance, one.state) if uid]
    found = yield from referenced(access, study, list(dict.fromkeys(wanted)), subtype)
    each: dict[tuple[str, int | None], Marked] = {}
    for one in asked:
        shown = found.get(one.instance)
        if shown is not None and shown.frames and (one.frame is None or one.frame <= shown.frames):
            state = found.get(one.state)
            applied = state if state is not None and presents(state, one.instance, one.frame) else None
            each.setdefault((one.instance, one.frame), Marked(one, shown, applied))
    return list(each.values())


def presentation_states(access: AccessContext, study: str) -> Work[list[Shown]]:
    """The presentation states of a study that show one image each time, the last of them; not audited."""
    among = Fragment("i.sop_class_uid = ANY(%s)", (STATES,))
    rows = yield from some(access, study, None, None, None, picked=Picked(among, f"place > total - {MOST_STATES}"))
    return of_rows(rows)


def presents(state: Shown, instance: str, frame: int | None) -> bool:
    """Whether an instance is a presentation state that says how this one image, or this frame of it, is shown."""
    if state.category is not Category.PRESENTATION or state.instance.sop_class == BLENDING_STATE:
        return False
    named = images_of(Attributes(state.members, lambda _: b""))
    return any(uid == instance and (not frames or frame is None or frame in frames) for uid, frames in named)


def marks_of(members: Mapping[str, Any]) -> list[Mark]:
    """What a selection marks, from its DICOM JSON; nothing where its title is of another end, or it is malformed."""
    if not any(_one(item, SCHEME) == "DCM" and _one(item, CODE) in TITLES for item in _items(members, TITLE)):
        return []
    content = list(_items(members, CONTENT))
    comment = next((_one(one, TEXT) for one in content if _concept(one) == DESCRIPTION), "")[:LONGEST]
    return [
        Mark(uid, frame, comment, next((_one(state, INSTANCE) for state in _items(reference, REFERENCED)), ""))
        for one in content
        if _one(one, VALUE_TYPE) == "IMAGE"
        for reference in _items(one, REFERENCED)
        if is_uid(uid := _one(reference, INSTANCE))
        for frame in _frames(reference)
    ][:MOST]


def _frames(reference: Mapping[str, Any]) -> Sequence[int | None]:
    numbers = [
        one for one in _values(reference, FRAME) if isinstance(one, int) and not isinstance(one, bool) and one > 0
    ]
    return numbers or [None]


def _concept(item: Mapping[str, Any]) -> str:
    return next((_one(one, CODE) for one in _items(item, TITLE) if _one(one, SCHEME) == "DCM"), "")


def _items(members: Mapping[str, Any], tag: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in _values(members, tag) if isinstance(item, dict))


def _one(members: Mapping[str, Any], tag: str) -> str:
    return next((one for one in _values(members, tag)[:1] if isinstance(one, str)), "")


def _values(members: Mapping[str, Any], tag: str) -> list[Any]:
    found = members.get(tag, {})
    values = found.get("Value") if isinstance(found, dict) else None
    return values if isinstance(values, list) else []
