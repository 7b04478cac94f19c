"""A report that is about to be signed or changed: whose it is, and what else it names.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, forbidden
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.imaging_report import REPORT, is_imaging
from healix_fhir.model.json import decode
from healix_fhir.model.references import local
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
PATIENT = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})")
STUDY, ORDER = "ImagingStudy", "ServiceRequest"
MOST = 50
"""Studies, and orders, of one report: each is looked up."""


class Subject(msgspec.Struct, frozen=True):
    """A report: its version, whose it is, and the logical ids of the orders that it answers."""

    resource: Json
    version: int
    patient: str
    orders: tuple[str, ...]


def require_reader(access: AccessContext, what: str) -> str:
    """The Practitioner who calls. Raises Forbidden for everybody else, and for scopes that change no reports."""
    if access.practitioner is None:
        raise forbidden(f"{what} is for practitioners")
    for permission in (Permission.READ, Permission.UPDATE):
        access.require(REPORT, permission)
    return access.practitioner


async def subject_of(interactions: Interactions, access: AccessContext, id_: str) -> Subject:
    """An imaging report; one that names no order answers those of its study. Raises NotFound, or Unprocessable for one
    of something else, of nobody, or of what is another patient's or not there for the caller.
    """
    stored = await interactions.read(access, REPORT, id_)
    resource = decode(stored.body)
    for element in {"subject", "imagingStudy", "basedOn"} & resource.keys():  # by whatever way they are written
        resource[element] = local(resource[element], interactions.bases)
    if not is_imaging(resource):
        raise refused("imagingStudy", f"{REPORT}/{id_} is no imaging report")
    patient = PATIENT.fullmatch(str(resource.get("subject", {}).get("reference", "")))
    if patient is None:
        raise refused("subject", "an imaging report is of a Patient")
    if len(_named(resource, "imagingStudy", STUDY)) > MOST:
        raise refused("imagingStudy", f"a report is of {MOST} studies at most")
    studies = [
        await _own(interactions, access, "imagingStudy", (STUDY, one), patient[0])
        for one in _named(resource, "imagingStudy", STUDY)
    ]
    if not studies:
        raise refused("imagingStudy", "a report names the ImagingStudy that was read")
    if not _named(resource, "basedOn", ORDER):
        orders = dict.fromkeys(one for study in studies for one in _named(study, "basedOn", ORDER))
        if orders:
            made = [{"reference": f"{ORDER}/{one}"} for one in orders]
            resource["basedOn"] = [*resource.get("basedOn", ()), *made]
    named = tuple(dict.fromkeys(_named(resource, "basedOn", ORDER)))
    if len(named) > MOST:
        raise refused("basedOn", f"a report answers {MOST} orders at most")
    for one in named:
        await _own(interactions, access, "basedOn", (ORDER, one), patient[0])
    return Subject(resource, stored.version, patient[1], named)


def refused(element: str, why: str) -> HealixError:
    """The refusal of a report for what it says."""
    return HealixError(Category.UNPROCESSABLE, f"{REPORT}.{element}: {why}", expression=(f"{REPORT}.{element}",))


def _named(resource: Json, element: str, kind: str) -> list[str]:
    """The logical ids of the resources of a type that an element names."""
    parts = (str(one.get("reference", "")).partition("/") for one in resource.get(element, ()))
    return [id_ for named, _, id_ in parts if named == kind and is_logical_id(id_)]


async def _own(
    interactions: Interactions, access: AccessContext, element: str, named: tuple[str, str], patient: str
) -> Json:
    """What a report names. Refuses what is not there for the caller, and what is somebody else's, alike."""
    body: Json = {}
    try:
        body = decode((await interactions.read(access, *named)).body)
    except HealixError as error:
        if error.category not in (Category.NOT_FOUND, Category.GONE):
            raise
    if body.get("subject", {}).get("reference") != patient:
        raise refused(element, f"{'/'.join(named)} is none of this patient")
    return body
