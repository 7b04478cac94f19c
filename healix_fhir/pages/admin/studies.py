"""The study store: whose studies are not known, what was deleted, what is damaged, and studies found by their keys."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.study.hold import Hold, holds
from dicomweb.study.integrity import Damaged, Run, damaged, runs
from dicomweb.study.overview import StudyLine, look_up
from dicomweb.study.reject import EXPIRED, REJECTED
from dicomweb.study.relabel.asked import Relabelling, relabellings
from dicomweb.study.restore import Deletion, deletions
from healix_fhir.imaging.reconcile import Unmatched, persons, unmatched
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.access import AccessContext, internal
from smart_auth.oauth.sessions import Session

STUDIES = "studies"
SHOWN = 50
"""Lines of one list."""
FORM_LABELS = {
    "PatientName": "Patient's name", "PatientID": "Patient ID", "IssuerOfPatientID": "Issuer of the patient ID",
    "PatientBirthDate": "Birth date", "PatientSex": "Sex", "StudyDate": "Date of the study",
    "AccessionNumber": "Accession number", "StudyDescription": "Description",
}  # fmt: skip
"""The labels that the form writes, as it calls them."""
REASONS = {code: f"rejected {why}" for code, why in REJECTED.items()} | {EXPIRED: "kept long enough"}
"""Why images are out of use, by the code of a rejection note."""


def access(request: Request, session: Session) -> AccessContext:
    """What administrators manage the study store with: every study, under their name in the audit trail."""
    return internal(origin(request, session))


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/studies, with `q` to find studies by StudyInstanceUID, AccessionNumber or PatientID."""
    asked = request.query_params.get("q", "").strip()[:64]
    who = access(request, session)
    waiting, who_they_are, found, run, bad = await atransaction(site.pool, lambda: _front(who, asked))
    if len(found) == 1:
        return RedirectResponse(at(STUDIES, found[0].uid), 303)
    return page(
        "admin/studies.html",
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        asked=asked,
        found=found,
        waiting=waiting[:SHOWN],
        persons=who_they_are,
        further=max(0, len(waiting) - SHOWN),
        run=run[0] if run else None,
        damaged=bad[:SHOWN],
        bad=len(bad),
    )


Front = tuple[list[Unmatched], dict[str, str], list[StudyLine], list[Run], list[Damaged]]


def _front(who: AccessContext, asked: str) -> Work[Front]:
    waiting = yield from unmatched(who)
    who_they_are = yield from persons([id_ for one in waiting[:SHOWN] for id_ in one.candidates])
    found: list[StudyLine] = (yield from look_up(who, asked)) if asked else []
    run = yield from runs()
    return waiting, who_they_are, found, run, (yield from damaged())


async def kept(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/studies/kept: what was deleted and can be restored, what is under hold, and the changes of labels."""
    who = access(request, session)
    gone, held, changes = await atransaction(site.pool, lambda: _kept(who))
    return page(
        "admin/kept.html",
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        gone=gone[:SHOWN],
        held=held[:SHOWN],
        changes=changes[:SHOWN],
        labels=FORM_LABELS,
        reasons=REASONS,
        at=at(STUDIES),
    )


def _kept(who: AccessContext) -> Work[tuple[list[Deletion], list[Hold], list[Relabelling]]]:
    gone = yield from deletions(who)
    held = yield from holds(who)
    return gone, held, (yield from relabellings(who))
