"""$amend of an imaging report: a practitioner adds to a signed report, or changes it; the earlier version stays.

`POST [base]/DiagnosticReport/[id]/$amend` with `status` appended and an `addendum`, or with amended or corrected and
the `report` as it is to be: its sections, conclusion and conclusionCode take the places of those there are. It is filed
anew as a document that names its predecessor.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-diagnostic-report-status.html; PS3.3 C.17.2, Predecessor Documents (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.imaging_report import (
    IMPRESSION,
    REPORT,
    SIGNED,
    Addendum,
    added,
    content,
    is_critical,
    written,
)
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.imaging_report.signing import Signature, sign
from healix_fhir.operation.imaging_report.subject import refused, require_reader, subject_of
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.lifecycle.diagnostic_report import AMEND as AMENDING
from healix_fhir.store.lifecycle.diagnostic_report import CHANGED
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext

Json = dict[str, Any]
APPENDED = "appended"
LONGEST = 20_000
REASON = 1000
AMEND = own(
    AMENDING,
    "Adds to a signed imaging report, or changes it, in the name of the practitioner who calls.",
    into("status", "code", f"What it becomes: {', '.join(sorted(CHANGED))}", least=1),
    into("addendum", "string", f"What is added, for {APPENDED}; up to {LONGEST} characters"),
    into("report", REPORT, "The report as it is to be, for amended and corrected"),
    into("reason", "string", f"Why, up to {REASON} characters"),
    out("return", REPORT, "The report as it is now"),
    levels=("instance",),
    resource=(REPORT,),
)


async def amend_operation(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The report as it is now."""
    given = invocation.given
    id_, status, reason = str(invocation.id), str(given.one("status")), given.text("reason") or ""
    report = given.json("report")
    if status == APPENDED:
        if report is not None:
            raise invalid("what is appended is an addendum and no report", expression=("Parameters.parameter",))
        return (await append(interactions, access, id_, given.text("addendum") or "", reason)).body
    if report is None or "addendum" in given:
        raise invalid(f"{status} takes the report as it is to be", expression=("Parameters.parameter",))
    codes = report.get("conclusionCode", [])
    return (await revise(interactions, access, id_, status, content(report).sections, reason, codes)).body


async def append(interactions: Interactions, access: AccessContext, id_: str, text: str, reason: str = "") -> Stored:
    """Add to a signed report. Raises Forbidden, NotFound, Invalid, Unprocessable, PreconditionFailed."""
    practitioner = require_reader(access, "$amend")
    said = text.strip()
    if not 0 < len(said) <= LONGEST:
        raise invalid(f"an addendum has 1 to {LONGEST} characters", expression=("addendum",))
    subject = await subject_of(interactions, access, id_)
    _require_signed(subject.resource, id_)
    addendum = Addendum(said, f"Practitioner/{practitioner}", instant(clock.now()))
    resource = added(subject.resource, addendum) | {"status": APPENDED}
    return await sign(interactions, access, Signature(subject, resource, practitioner, AMENDING, _reason(reason)))


async def revise(
    interactions: Interactions,
    access: AccessContext,
    id_: str,
    status: str,
    sections: Mapping[str, str],
    reason: str = "",
    codes: list[Json] | None = None,
) -> Stored:
    """Change a signed report: amended, or corrected; `codes` are its conclusionCode from then on, if given. Raises as
    `append` does.
    """
    practitioner = require_reader(access, "$amend")
    if status not in CHANGED - {APPENDED}:
        raise invalid(f"status is one of {', '.join(sorted(CHANGED))}", code="value", expression=("status",))
    if not (sections.get(IMPRESSION) or sections.get("findings")):
        raise refused("conclusion", "a report that is signed has findings or a conclusion")
    subject = await subject_of(interactions, access, id_)
    _require_signed(subject.resource, id_)
    critical = is_critical(subject.resource) and bool(sections.get("findings"))
    resource = written(subject.resource, sections, status, critical=critical) | {"status": status}
    if codes is not None:
        resource = {name: one for name, one in resource.items() if name != "conclusionCode"}
        resource |= {"conclusionCode": codes} if codes else {}
    return await sign(interactions, access, Signature(subject, resource, practitioner, AMENDING, _reason(reason)))


def _require_signed(report: Json, id_: str) -> None:
    if report.get("status") not in SIGNED:
        raise refused("status", f"{REPORT}/{id_} is not signed")


def _reason(reason: str) -> str:
    said = " ".join(reason.split())
    if len(said) > REASON:
        raise invalid(f"a reason has at most {REASON} characters", expression=("reason",))
    return said
