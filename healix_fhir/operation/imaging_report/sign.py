"""$sign of an imaging report: a practitioner makes a draft final, and answers for what it says.

`POST [base]/DiagnosticReport/[id]/$sign` refuses (422) a report that says nothing or names what is another patient's,
and (409) one whose case another reader has taken or reported. A job then files it as PDF and in its study, and tells
who ordered it.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport.html, hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.imaging_report import DRAFTS, IMPRESSION, REPORT, content, is_critical, written
from healix_fhir.operation.declaring import ROOT, into, out, own
from healix_fhir.operation.imaging_report.signing import Signature, sign
from healix_fhir.operation.imaging_report.subject import refused, require_reader, subject_of
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.lifecycle.diagnostic_report import SIGN as SIGNING
from healix_fhir.store.stored import Stored
from smart_auth.access import AccessContext

SIGN = own(
    SIGNING,
    "Makes a draft of an imaging report final, in the name of the practitioner who calls.",
    into("critical", "boolean", "Whether it has findings of which who ordered it must hear at once"),
    out("return", REPORT, "The report, final"),
    levels=("instance",),
    resource=(REPORT,),
    url=f"{ROOT}sign-report",
)


async def sign_operation(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The signed report."""
    return (await sign_report(interactions, access, str(invocation.id), invocation.given.flag("critical"))).body


async def sign_report(interactions: Interactions, access: AccessContext, id_: str, critical: bool = False) -> Stored:
    """Sign a draft. Raises Forbidden, NotFound, Unprocessable, Conflict, PreconditionFailed."""
    practitioner = require_reader(access, "$sign")
    subject = await subject_of(interactions, access, id_)
    if subject.resource.get("status") not in DRAFTS:
        raise refused("status", f"{REPORT}/{id_} is no draft")
    if content(subject.resource).addenda:
        raise refused("contained", "a draft has no addendum: $amend adds it, in the name of who adds")
    said = content(subject.resource).sections
    if IMPRESSION not in said and "findings" not in said:
        raise refused("conclusion", "a report that is signed has findings or a conclusion")
    critical = critical or is_critical(subject.resource)
    if critical and "findings" not in said:
        raise refused("conclusion", "what is critical stands in the findings")
    resource = written(subject.resource, said, "final", critical=critical) | {"status": "final"}
    return await sign(interactions, access, Signature(subject, resource, practitioner, SIGNING))
