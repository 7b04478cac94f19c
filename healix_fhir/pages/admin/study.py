"""One study: what it is, and what an administrator does with it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.study.delete import delete
from dicomweb.study.hold import hold, release
from dicomweb.study.overview import StudyLine, overview
from dicomweb.study.reject import reject_study
from dicomweb.study.relabel.asked import NEW, Relabelling, ask, relabellings
from dicomweb.study.relabel.undo import undo
from dicomweb.study.restore import restore
from healix_fhir.imaging.labels import labels_of
from healix_fhir.imaging.reconcile import assign
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.admin.studies import FORM_LABELS, REASONS, STUDIES, access
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.access import AccessContext
from smart_auth.oauth.sessions import Session

LONGEST_NUMBER = 15
SURE = "Tick that you are sure."
TOLD = (Category.INVALID, Category.CONFLICT, Category.NOT_FOUND, Category.TOO_LARGE)
"""Refusals that are shown on the study's page."""
Step = Callable[[AccessContext, str, Fields], Work[object]]


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/studies/{uid}"""
    return await _page(site, request, session)


async def give(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/assign with `patient`; empty: whom its PatientID means."""
    return await _done(site, request, session, fields, _give)


async def keep(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/hold with `reason`."""
    return await _done(site, request, session, fields, lambda who, uid, sent: hold(who, uid, one(sent, "reason")))


async def let_go(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/release"""
    return await _done(site, request, session, fields, lambda who, uid, _: release(who, uid))


async def bring_back(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/restore"""
    return await _done(site, request, session, fields, lambda who, uid, _: restore(who, uid))


async def remove(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/remove with `code`, `series` and `sure`."""
    answer = await _done(site, request, session, fields, _remove)
    return RedirectResponse(at(STUDIES, "kept"), 303) if answer.status_code == 303 else answer


async def label(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/relabel with labels, or `patient` whose they are, and `reason`."""
    return await _done(site, request, session, fields, _label)


async def move(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/move with `series`, `to` and `reason`."""
    return await _done(site, request, session, fields, _move)


async def take_back(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/studies/{uid}/undo with `number`."""
    return await _done(site, request, session, fields, _take_back)


def _give(who: AccessContext, uid: str, sent: Fields) -> Work[object]:
    patient = one(sent, "patient").removeprefix("Patient/")
    yield from assign(who, uid, patient or None)
    return None


def _remove(who: AccessContext, uid: str, sent: Fields) -> Work[object]:
    if one(sent, "sure") != "yes":
        raise invalid(SURE)
    code, series = one(sent, "code"), one(sent, "series") or None
    return (yield from reject_study(who, uid, series, code) if code else delete(who, uid, series))


def _label(who: AccessContext, uid: str, sent: Fields) -> Work[object]:
    patient = one(sent, "patient").removeprefix("Patient/")
    written = (yield from labels_of(patient)) if patient else {}
    written |= {name: text for name in FORM_LABELS if (text := one(sent, name))}
    return (yield from ask(who, uid, labels=written, reason=one(sent, "reason")))


def _move(who: AccessContext, uid: str, sent: Fields) -> Work[object]:
    series = [value for value in sent.get("series", ()) if value]
    return (yield from ask(who, uid, series=series, target=one(sent, "to") or NEW, reason=one(sent, "reason")))


def _take_back(who: AccessContext, uid: str, sent: Fields) -> Work[object]:
    number = one(sent, "number")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER:
        raise not_found("there is no such change of labels")
    changes = yield from relabellings(who, uid)
    if int(number) not in [change.id for change in changes]:
        raise not_found("there is no such change of labels")
    return (yield from undo(who, int(number)))


async def _done(site: Site, request: Request, session: Session, fields: Fields, step: Step) -> Response:
    """Do it and show the study; where it is refused, say why there."""
    uid, who = request.path_params["uid"], access(request, session)
    try:
        await atransaction(site.pool, lambda: step(who, uid, fields))
    except HealixError as error:
        if error.category not in TOLD:
            raise
        return await _page(site, request, session, error)
    return RedirectResponse(at(STUDIES, uid), 303)


async def _page(site: Site, request: Request, session: Session, error: HealixError | None = None) -> Response:
    uid, who = request.path_params["uid"], access(request, session)
    try:
        study, changes = await atransaction(site.pool, lambda: _everything(who, uid))
    except HealixError:
        if error is not None:  # a study that is not there any more
            raise error from None
        raise
    return page(
        "admin/study.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        study=study,
        changes=changes,
        labels=FORM_LABELS,
        now=dict(zip(FORM_LABELS, _now(study), strict=True)),
        reasons=REASONS,
        at=at(STUDIES, uid),
        error=error.message if error else "",
    )


def _now(study: StudyLine) -> tuple[str | None, ...]:
    """What the labels of the form are, in their order."""
    return (
        study.name, study.patient_id, study.issuer, study.birth_date, study.sex, study.date, study.accession,
        study.description,
    )  # fmt: skip


def _everything(who: AccessContext, uid: str) -> Work[tuple[StudyLine, list[Relabelling]]]:
    study = yield from overview(who, uid)
    return study, (yield from relabellings(who, uid))
