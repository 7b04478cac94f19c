"""The answer to STOW-RS: what was stored, with which warnings, and what was not and why.

Spec: PS3.18 Tables 10.5.3-1, 10.5.3-2, I.1-1, I.2-1 and I.2-2 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from dicomweb.api.accept import DICOM, Offer
from dicomweb.api.intake import Intake
from dicomweb.api.related import PRIVATE, one_document
from dicomweb.archive.spool import RETRY_AFTER
from dicomweb.status import Reason, reason
from dicomweb.study.outcome import Disposition, Outcome
from dicomweb.study.receive import FileMeta
from healix_fhir.kernel.errors import Category, HealixError, invalid

TOLD = 1000
"""Characters of a header in which it is told why objects were refused."""


def response(base: str, intake: Intake, form: Offer) -> Response:
    """The answer to a request that stores instances of studies, below the base URL; raises as `answered`."""
    studies = {outcome.study for outcome in _kept(intake)}
    named = studies | ({intake.study} if intake.study is not None and studies else set())
    where = f"{base}/studies/{next(iter(named))}" if len(named) == 1 else ""
    return answered(intake, form, where, f"{base}/studies", partial(_in_study, base))


def _in_study(base: str, outcome: Outcome) -> str:
    return f"{base}/studies/{outcome.study}/series/{outcome.series}/instances/{outcome.sop_instance}"


def _kept(intake: Intake) -> list[Outcome]:
    return [outcome for outcome in intake.outcomes if outcome.status is not Disposition.REFUSED]


def answered(intake: Intake, form: Offer, all_of_it: str, above: str, url: Callable[[Outcome], str]) -> Response:
    """The Store Instances Response Module, and where what was stored is: each at its `url`, `all_of_it` where one
    address has all, everything below that `above`. Raises Invalid and UnsupportedMedia for a request without any
    object.
    """
    kept = _kept(intake)
    refused = [outcome for outcome in intake.outcomes if outcome.status is Disposition.REFUSED]
    if not kept and not refused and not intake.failures:
        raise invalid("the request holds no instance", code="required")
    if intake.other_types and not kept and intake.other_types == len(intake.failures) and not refused:
        raise HealixError(Category.UNSUPPORTED_MEDIA, f"the parts must be of type {DICOM}")
    body: dict[str, Any] = {"00081190": {"vr": "UR"}}
    where = all_of_it or above
    if all_of_it:
        body["00081190"] = {"vr": "UR", "Value": [where]}
    failed = [_refused(outcome) for outcome in refused]
    failed += [_failed(failure.meta, failure.error) for failure in intake.failures if failure.meta is not None]
    if failed:
        body["00081198"] = {"vr": "SQ", "Value": failed}
    if kept:
        body["00081199"] = {"vr": "SQ", "Value": [_referenced(url(outcome), outcome) for outcome in kept]}
    if others := [_why(reason(failure.error)) for failure in intake.failures if failure.meta is None]:
        body["0008119A"] = {"vr": "SQ", "Value": others}
    whole = not failed and not others and not any(outcome.caution for outcome in kept)
    status, headers = _status(kept, intake, whole=whole)
    if kept:
        headers = headers | {"Location": where, "Content-Location": where}
    if told := _told(intake, refused):
        headers = headers | {"Warning": f"299 {above}: {told}"}
    content, kind = one_document(msgspec.json.encode(body), form)
    return Response(content, status, headers, kind)


def _status(kept: Sequence[Outcome], intake: Intake, *, whole: bool) -> tuple[int, dict[str, str]]:
    """200 all, 202 some, or with warnings, 409 none; 507 where there was no room, 503 where the same request may be
    taken later, for the archive was away.
    """
    if whole or kept:
        return 200 if whole else 202, PRIVATE
    causes = {failure.error.category: failure.error for failure in intake.failures}
    if Category.FULL in causes:
        return 507, PRIVATE
    if away := causes.get(Category.UNAVAILABLE):
        return 503, PRIVATE | {"Retry-After": str(away.retry_after or RETRY_AFTER)}
    return 409, PRIVATE


def _told(intake: Intake, refused: Sequence[Outcome]) -> str:
    """In words why objects were refused, of which a Failure Reason tells the kind alone: each reason with how many it
    met and the first of them. As much as fits into a header.
    """
    why: dict[str, list[str | None]] = {}
    for failure in intake.failures:
        why.setdefault(failure.error.message, []).append(failure.instance)
    for outcome in refused:
        why.setdefault(outcome.message, []).append(outcome.sop_instance)
    told = "; ".join(
        f"{message} ({len(met)}, the first {met[0]})" if met[0] else f"{message} ({len(met)})"
        for message, met in why.items()
    )
    return told.encode("ascii", "replace").decode()[:TOLD]


def _sop(sop_class: str, sop_instance: str) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [sop_class]},
        "00081155": {"vr": "UI", "Value": [sop_instance]},
    }


def _why(code: Reason) -> dict[str, Any]:
    return {"00081197": {"vr": "US", "Value": [int(code)]}}


def _referenced(url: str, outcome: Outcome) -> dict[str, Any]:
    item = _sop(outcome.sop_class, outcome.sop_instance) | {"00081190": {"vr": "UR", "Value": [url]}}
    if outcome.caution is not None:
        item["00081196"] = {"vr": "US", "Value": [int(outcome.caution)]}
    if outcome.coerced is not None:
        item["04000561"] = {"vr": "SQ", "Value": [msgspec.Raw(outcome.coerced)]}
    return item


def _refused(outcome: Outcome) -> dict[str, Any]:
    return _sop(outcome.sop_class, outcome.sop_instance) | _why(outcome.reason or Reason.PROCESSING_FAILURE)


def _failed(meta: FileMeta, error: HealixError) -> dict[str, Any]:
    return _sop(meta.sop_class, meta.sop_instance) | _why(reason(error))
