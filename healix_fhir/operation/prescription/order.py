"""An order that is about to be looked at or signed.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, forbidden
from healix_fhir.model.json import decode
from healix_fhir.store.lifecycle.medication_request import ORDERS
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
REQUEST = "MedicationRequest"
PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})")
DRAFT = "draft"


class Draft(msgspec.Struct, frozen=True):
    """A draft of an order: its version, and whose it is."""

    resource: Json
    version: int
    patient: str


def require_prescriber(access: AccessContext, what: str) -> str:
    """The Practitioner who calls. Raises Forbidden for everybody else, and for scopes that change no orders."""
    if access.practitioner is None:
        raise forbidden(f"{what} is for practitioners")
    for permission in (Permission.READ, Permission.UPDATE):
        access.require(REQUEST, permission)
    return access.practitioner


async def draft_of(interactions: Interactions, access: AccessContext, id_: str) -> Draft:
    """The draft of an order. Raises NotFound, or Unprocessable for what is none."""
    stored = await interactions.read(access, REQUEST, id_)
    resource = decode(stored.body)
    if resource.get("status") != DRAFT or resource.get("intent") not in ORDERS:
        raise HealixError(
            Category.UNPROCESSABLE,
            f"{REQUEST}/{id_} is no draft of an order",
            expression=(f"{REQUEST}.status",),
        )
    return Draft(resource, stored.version, patient_of(resource))


def patient_of(resource: Json) -> str:
    """The id of the Patient that an order is for. Raises Unprocessable for a group."""
    found = PATIENT.fullmatch(str(resource.get("subject", {}).get("reference", "")))
    if found is None:
        raise HealixError(
            Category.UNPROCESSABLE, "an order is held against the record of its Patient", expression=("subject",)
        )
    return found[1]
