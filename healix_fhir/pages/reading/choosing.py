"""The page on which a reader chooses the key images of a report: from the pictures of the study, or by their numbers;
what is said of each, and the presentation state that it is shown with.

The draft keeps what is chosen (healix_fhir/model/key_images.py), so that it is signed with the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.study.key_images import LONGEST, Mark, Marked, marked, presentation_states, presents
from dicomweb.study.pictures import IMAGES, Category, Shown, of_rows
from dicomweb.study.retrieve import Picked, some
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Fragment, Work, atransaction
from healix_fhir.kernel.errors import HealixError, invalid, not_found
from healix_fhir.kernel.language.catalogue import heard, say
from healix_fhir.model.key_images import KeyImage, illustrated, key_images_of
from healix_fhir.pages.present import DOCUMENTS
from healix_fhir.pages.present import study as study_line
from healix_fhir.pages.reading.drafting import PROBLEMS, save
from healix_fhir.pages.reading.finding import by_reference, report_of, task_of
from healix_fhir.pages.reading.gate import READING, Caller, Fields, named
from healix_fhir.pages.reading.pictures import Shot, number, shot
from healix_fhir.pages.reading.shown import case
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.reading_task import owner_of

Json = dict[str, Any]
MOST = 8
"""Key images of a report: as many as its document shows."""
PICTURES = 18
"""Pictures of a page."""
LABEL, DESCRIPTION = "00700080", "00700081"


class Series(msgspec.Struct, frozen=True):
    """A series of images of the study, by its UID."""

    uid: str
    title: str
    images: int


class Chosen(msgspec.Struct, frozen=True):
    """A key image of the draft: its picture, None where it cannot be seen any more, and the presentation states that
    it may be shown with, by UID.
    """

    shot: Shot | None
    comment: str
    state: str
    states: Sequence[tuple[str, str]]


class Tile(msgspec.Struct, frozen=True):
    """An image to choose from."""

    uid: str
    shot: Shot
    frames: int
    taken: bool


class Study(msgspec.Struct, frozen=True):
    """The study of a case: its UID, and its series with images."""

    uid: str
    series: Sequence[Series]

    def chosen(self, uid: str) -> Series | None:
        """One of its series, else the first."""
        return next((one for one in self.series if one.uid == uid), self.series[0] if self.series else None)


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/reading/[case]/images with `series` and `from`, the place of the first picture, counted from 0."""
    task, _ = await task_of(site, caller, named(request))
    done = say("The key images are saved.") if request.query_params.get("done") == "saved" else ""
    return await _page(site, caller, task, request.query_params, done=done)


async def submit(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/reading/[case]/images with the `version` of the draft and `deed`: keep (what was chosen, with
    `comment-n`, `state-n` and `drop-n`), add (`pick-n` and `frame-n`) or number (`number` and `frame` of a series).
    """
    task, _ = await task_of(site, caller, named(request))
    try:
        await _do(site, caller, task, fields)
    except HealixError as error:
        if error.category not in PROBLEMS:
            raise
        return await _page(site, caller, task, fields, problem=heard(error.message))
    where = {name: fields[name] for name in ("series", "from") if fields.get(name)}
    return RedirectResponse(f"{READING}/{task['id']}/images?{urlencode(where | {'done': 'saved'})}", 303)


async def _do(site: Site, caller: Caller, task: Json, fields: Fields) -> None:
    study = await _study(site, caller, task)
    report = await report_of(site, caller, task)
    before = key_images_of(report) if report is not None else []
    deed = fields.get("deed", "")
    if deed == "keep":
        images = [
            KeyImage(
                one.instance,
                fields.get(f"comment-{n}", "").strip()[:LONGEST],
                one.frame,
                fields.get(f"state-{n}", one.state),
            )
            for n, one in enumerate(before)
            if not fields.get(f"drop-{n}")
        ]
    elif deed in ("add", "number"):
        wanted = _picked(fields) if deed == "add" else [await _numbered(site, caller, study, fields)]
        there = {(one.instance, one.frame) for one in before}
        images = [*before, *(one for one in wanted if (one.instance, one.frame) not in there)]
        if len(images) == len(before):
            raise invalid("Choose an image first that is not among them.")
    else:
        raise invalid("That does not follow from where the report stands.")
    if len(images) > max(MOST, len(before)):
        raise invalid(f"A report has at most {MOST} key images.")
    images = await _checked(site, caller, study, before, images)
    await save(site, caller, task, report, lambda one: illustrated(one, images), fields.get("version", ""))


def _picked(fields: Fields) -> list[KeyImage]:
    picked = [(uid, fields.get(f"frame-{n}", "").strip()) for n in range(PICTURES) if (uid := fields.get(f"pick-{n}"))]
    return [KeyImage(uid, frame=number(frame) if frame else None) for uid, frame in picked]


async def _numbered(site: Site, caller: Caller, study: Study, fields: Fields) -> KeyImage:
    """An image by its number in a series."""
    place, frame = number(fields.get("number", "").strip()), fields.get("frame", "").strip()
    series = study.chosen(fields.get("series", ""))
    found: list[Shown] = []
    if series is not None:
        among = Fragment("i.row_count > 0 AND i.instance_number = %s", (place,))
        found = await atransaction(site.pool, lambda: _some(caller, study.uid, series.uid, Picked(among, "place = 1")))
    if not found:
        raise invalid("There is no image of this number in the series.")
    return KeyImage(found[0].instance.instance, frame=number(frame) if frame and found[0].frames > 1 else None)


async def _checked(
    site: Site, caller: Caller, study: Study, before: Sequence[KeyImage], images: Sequence[KeyImage]
) -> list[KeyImage]:
    """The images, without states that do not present them. Raises Invalid for a new one that is not of the study."""
    found = {(one.mark.instance, one.mark.frame): one for one in await _marked(site, caller, study, images)}
    old = {(one.instance, one.frame) for one in before}
    checked = []
    for one in images:
        key = (one.instance, one.frame)
        if key not in found and key not in old:
            raise invalid("There is no such image in this study.")
        is_shown = key in found and found[key].state is not None
        checked.append(msgspec.structs.replace(one, state=one.state if is_shown else ""))
    return checked


async def _page(
    site: Site, caller: Caller, task: Json, asked: Mapping[str, str], *, done: str = "", problem: str = ""
) -> Response:
    study = await _study(site, caller, task)
    report = await report_of(site, caller, task)
    series = study.chosen(asked.get("series", ""))
    start = int(text) if (text := asked.get("from", "")).isascii() and text.isdecimal() and len(text) < 8 else 0
    named_ = key_images_of(report) if report is not None else []
    states = await atransaction(site.pool, lambda: presentation_states(caller.access, study.uid))
    there = {(one.mark.instance, one.mark.frame): one for one in await _marked(site, caller, study, named_)}
    chosen = [_chosen(one, there.get((one.instance, one.frame)), states) for one in named_]
    found: list[Shown] = []
    if series is not None:
        picked = Picked(IMAGES, f"place > {start} AND place <= {start + PICTURES + 1}")
        found = await atransaction(site.pool, lambda: _some(caller, study.uid, series.uid, picked))
    taken = {one.instance for one in named_}
    tiles = [
        Tile(
            one.instance.instance,
            shot(Marked(Mark(one.instance.instance), one)),
            one.frames,
            one.instance.instance in taken,
        )
        for one in found[:PICTURES]
        if one.category is Category.IMAGE
    ]
    patient = str(task.get("for", {}).get("reference", ""))
    names = [patient, *(str(one.get("reference", "")) for one in (*task.get("basedOn", ()), task["focus"]))]
    return page(
        "key_images.html",
        400 if problem else 200,
        **caller.common,
        address=READING,
        case=case(task, await by_reference(site, caller, names), clock.now()),
        own=owner_of(task) == caller.own and task.get("status") != "completed",
        version=report["meta"]["versionId"] if report is not None else "",
        chosen=chosen,
        series=study.series,
        current=series.uid if series is not None else "",
        tiles=tiles,
        start=start,
        earlier=max(start - PICTURES, 0) if start else None,
        later=start + PICTURES if len(found) > PICTURES else None,
        most=MOST,
        longest=LONGEST,
        done=done,
        problem=problem,
    )


def _chosen(image: KeyImage, there: Marked | None, states: Sequence[Shown]) -> Chosen:
    fitting = [one for one in states if presents(one, image.instance, image.frame)]
    titles = [(one.instance.instance, _title(one)) for one in fitting]
    return Chosen(shot(there) if there is not None else None, image.comment, image.state, titles)


def _title(state: Shown) -> str:
    values = (state.members.get(tag, {}).get("Value", ()) for tag in (LABEL, DESCRIPTION))
    return ", ".join(str(one[0]) for one in values if one and one[0]) or state.instance.instance


async def _study(site: Site, caller: Caller, task: Json) -> Study:
    """The study of a case. Raises NotFound for one that is not to be seen."""
    focus = str(task["focus"].get("reference", ""))
    held = (await by_reference(site, caller, [focus])).get(focus)
    line = study_line(held) if held is not None else None
    if held is None or line is None:
        raise not_found("There is no such page.")
    series = [
        Series(str(one["uid"]), _series_title(one), one.get("numberOfInstances", 0))
        for one in held.get("series", ())
        if one.get("modality", {}).get("code") not in DOCUMENTS
    ]
    return Study(line.uid, series)


def _series_title(series: Json) -> str:
    said = (str(series.get("number", "")), series.get("modality", {}).get("code", ""), series.get("description", ""))
    return " ".join(one for one in said if one)


async def _marked(site: Site, caller: Caller, study: Study, images: Sequence[KeyImage]) -> list[Marked]:
    marks = [Mark(one.instance, one.frame, one.comment, one.state) for one in images]
    return await atransaction(site.pool, lambda: marked(caller.access, study.uid, marks, None)) if marks else []


def _some(caller: Caller, study: str, series: str, picked: Picked) -> Work[list[Shown]]:
    return of_rows((yield from some(caller.access, study, series, None, None, picked=picked)))
