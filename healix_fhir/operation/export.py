"""$export: what the caller may see of many resources, as files, done later.

`GET` or `POST [base]/$export`, `[base]/Patient/$export`, `[base]/Group/[id]/$export` with `Prefer: respond-async`
answers 202 with the address of the job (healix_fhir/api/bulk.py). The job has the scopes and relationships of the
token that asks. Apps of one patient have nothing to export: their `patient/` scopes open nothing here.

Spec: HL7 Bulk Data Access 2.0.0 export.html#bulk-data-kick-off-request
"""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec.structs import replace

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.asked import OUTPUTS, PROVENANCE, Export, read_export
from healix_fhir.bulk.cohort import cohort
from healix_fhir.bulk.job import EXPORT
from healix_fhir.bulk.links import Links
from healix_fhir.bulk.selection import searches
from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Issue, forbidden, invalid
from healix_fhir.operation.declaring import into, own
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext
from smart_auth.scope import Context

CANONICAL = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
REFUSED = frozenset({"allowPartialManifests"})
PARAMETERS = (
    into("_outputFormat", "string", f"The format of the files: {', '.join(OUTPUTS)}."),
    into("_since", "instant", "Only what was changed or deleted after this."),
    into("_until", "instant", "Only what was changed before this."),
    into("_type", "string", "Resource types, with commas between them.", most="*"),
    into("_elements", "string", "Elements as Type.element or element; what is left is tagged SUBSETTED.", most="*"),
    into("_typeFilter", "string", "A search of a type, as Type?name=value; of several one must hold.", most="*"),
    into("includeAssociatedData", "string", f"What comes along: {' or '.join(PROVENANCE)}.", most="*"),
    into("organizeOutputBy", "string", "Patient: each patient's resources behind a header, the Patient first."),
    into("allowPartialManifests", "boolean", "Whether a manifest may come before all files are there."),
)
PATIENTS = into("patient", "Reference", "Only what is in the compartments of these patients alone.", most="*")
OF_SYSTEM = own(
    "export", "What the caller may see, as files.", *PARAMETERS, levels=("system",), url=f"{CANONICAL}export"
)
OF_PATIENTS = own(
    "export",
    "What the caller may see of all patients, as files.",
    *PARAMETERS,
    PATIENTS,
    levels=("type",),
    resource=("Patient",),
    url=f"{CANONICAL}patient-export",
)
OF_GROUP = own(
    "export",
    "What the caller may see of the members of a Group, as files.",
    *PARAMETERS,
    PATIENTS,
    levels=("instance",),
    resource=("Group",),
    url=f"{CANONICAL}group-export",
)


async def export(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Begin a job. Raises Forbidden, Invalid or Unsupported by name, NotFound for a Group, Busy for too many jobs."""
    require_async(invocation, "$export")
    access = without_patient(access, "$export")
    level = "system" if invocation.type is None else invocation.type
    asked = read_export(
        access,
        _pairs(invocation.given),
        level,
        group=invocation.id,
        lenient=invocation.lenient,
        base=interactions.bases[0],
    )
    request = _request(interactions.bases[0], invocation)
    id_ = await atransaction(interactions.pool, lambda: _begin(access, asked, request, interactions.bases))
    return accepted(interactions.bases[0], id_, "the export has begun")


def _pairs(given: Given) -> list[tuple[str, str]]:
    """The parameters as pairs of name and text; of a Reference its literal one."""
    return [
        (name, value.get("reference", "") if isinstance(value, dict) else value)
        for name in given.arguments
        for value in given.all(name)
    ]


def _begin(access: AccessContext, asked: Export, request: str, bases: tuple[str, ...]) -> Work[str]:
    yield from cohort(access, asked, bases, clock.now())
    yield from searches(access, asked, bases[0])
    id_ = yield from jobs.begin(EXPORT, access, request, asked)
    yield record([AuditRow(access.origin, "E", "$export", entity=f"bulk/{id_}", query=request[:2000])])
    return id_


def require_async(invocation: Invocation, name: str) -> None:
    """Refuse a request for an answer at once."""
    if not invocation.asynchronous:
        raise invalid(f"{name} is answered later only: send 'Prefer: respond-async'", code="not-supported")


def without_patient(access: AccessContext, name: str) -> AccessContext:
    """The access without what is bound to one patient. Raises Forbidden where nothing else is there."""
    scopes = frozenset(one for one in access.scopes if one.context is not Context.PATIENT)
    if not scopes:
        raise forbidden(f"{name} takes a token with system/ or user/ scopes; this one is for one patient's record")
    return replace(access, scopes=scopes, patient=None, pat=None)


def accepted(base: str, id_: str, message: str) -> Outcome:
    """The answer that a job has begun."""
    told = outcome([Issue("informational", message, severity="information")])
    return Outcome(202, told, (("content-location", Links(base.removesuffix("/fhir")).status(id_)),))


def _request(base: str, invocation: Invocation) -> str:
    """The URL of the request."""
    path = "/".join(part for part in (invocation.type, invocation.id, "$export") if part)
    query = urlencode(list(invocation.params))
    return f"{base}/{path}{'?' if query else ''}{query}"
