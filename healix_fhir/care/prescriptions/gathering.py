"""Reads a version of an order and what is printed with it, in the server's own name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from healix_fhir.care.prescriptions.printed import Printed
from healix_fhir.care.reports.told import name
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.model.references import local
from healix_fhir.operation.prescription.drug import by_reference
from healix_fhir.operation.prescription.order import REQUEST
from healix_fhir.operation.prescription.repeats import repeats
from healix_fhir.store.read import Ask, read_each, vread
from smart_auth.access import internal

Json = dict[str, Any]
NAME = "prescriptions"
"""Under this name the server keeps prescriptions."""
ACCESS = internal(NAME)


def gather(id_: str, version: int, bases: tuple[str, ...]) -> Work[Printed | None]:
    """What a version of an order is printed of; None where it, or its patient, is not there any more. Whose it is, and
    what hides it, is as it is now: Patients are merged, and labels put on, while it waits.
    """
    now = (yield from _known([f"{REQUEST}/{id_}"], bases)).get(f"{REQUEST}/{id_}")
    if now is None:
        return None
    signed = local(decode_stored((yield from vread(ACCESS, REQUEST, id_, version)).body), bases)
    meta = {one: signed.get("meta", {}).get(one) for one in ("versionId", "lastUpdated")}
    security = [*signed.get("meta", {}).get("security", ()), *now.get("meta", {}).get("security", ())]
    order = signed | {"subject": now["subject"], "meta": meta | {"security": security}}
    subject, by, drug = (str((order.get(one) or {}).get("reference", "")) for one in _NAMED)
    known = yield from _known([subject, by, drug], bases)
    patient = known.get(subject)
    if patient is None:
        return None
    prescriber = known.get(by, {}) if by.startswith("Practitioner/") else {}
    known |= yield from _known(_ingredients(known.values()), bases)
    said = str(order.get("requester", {}).get("display") or "")
    names = (name(patient.get("name")), name(prescriber.get("name")) or said)
    return Printed(order, patient, prescriber, by_reference(known.values()), repeats(order, ()), names)


_NAMED = ("subject", "requester", "medicationReference")


def _ingredients(resources: Iterable[Json]) -> list[str]:
    parts = (part for one in resources for part in one.get("ingredient", ()))
    return [str((part.get("itemReference") or {}).get("reference", "")) for part in parts]


def _known(references: Iterable[str], bases: tuple[str, ...]) -> Work[dict[str, Json]]:
    """Those of the resources that are there, by `Type/id`."""
    named = [one.partition("/") for one in dict.fromkeys(references)]
    asked = [Ask(ACCESS, kind, id_) for kind, _, id_ in named if kind in TYPE_ID and is_logical_id(id_)]
    found = (yield from read_each(asked)) if asked else []
    return {
        f"{one.type}/{one.id}": local(decode_stored(one.body), bases)
        for one in found
        if not isinstance(one, HealixError)
    }
