"""Keeps a signed order as it was printed, as a durable job: one DocumentReference, with a PDF for each language.

Ids and times follow from the order's version, so that a job that was cut off writes again what is there already. What
is hidden of the order is hidden of its document: it has the same security labels.

Spec: FHIR R4, hl7.org/fhir/R4/documentreference.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.care.prescriptions.gathering import ACCESS, gather
from healix_fhir.care.prescriptions.printed import Printed, document
from healix_fhir.care.prescriptions.standing import DOCUMENT, standing
from healix_fhir.care.reports.record.making import labels_of
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.language.spoken import ENGLISH, LANGUAGES
from healix_fhir.kernel.log import get_logger
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.operation.prescription.kept import binary_id, document_id
from healix_fhir.operation.prescription.order import REQUEST
from healix_fhir.operation.report import is_narrowed
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method

Json = dict[str, Any]
PDF = "application/pdf"
KIND = {"system": "http://loinc.org", "code": "57833-6", "display": "Prescription for medication"}
log = get_logger("prescriptions")


class Kept(msgspec.Struct, frozen=True):
    """A signed order in print: the PDFs by language, when they are of, and the labels that they have."""

    printed: Printed
    moment: datetime
    made: Mapping[str, bytes]
    labels: list[Json]

    @property
    def order(self) -> str:
        """The id of the order."""
        return str(self.printed.order["id"])


def file(
    pool: ConnectionPool[Connection[Row]], order: str, version: int, bases: tuple[str, ...], clinic: tzinfo
) -> None:
    """Print and keep a version of an order, on the patient's clock. Raises what may pass, so that it is begun again."""
    printed = transaction(pool, lambda: gather(order, version, bases))
    if printed is None:
        log.info("a prescription to be kept is not there any more", version=version)
        return
    narrowed = transaction(pool, lambda: is_narrowed(str(printed.patient["id"])))
    zone = zone_of(dict(printed.patient), clinic)
    moment = datetime.fromisoformat(str(printed.order["meta"]["lastUpdated"]))
    made = {one: pdf(document(printed, Written(one, zone), moment)) for one in LANGUAGES}
    labels = labels_of(map(dict, (printed.order, *printed.medications.values())), narrowed=narrowed)
    kept = Kept(printed, moment, made, labels)
    transaction(pool, lambda: _filed(kept, bases))


def _filed(kept: Kept, bases: tuple[str, ...]) -> Work[None]:
    held = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted FOR UPDATE",
        (TYPE_ID[REQUEST], kept.order),
    )
    if held:
        status = standing(decode(bytes(held[0][0])))
        resources = [*(_binary(kept, one) for one in kept.made), _reference(kept, status)]
        yield from commit(ACCESS, [change(Method.PUT, one, one["resourceType"], one["id"], bases) for one in resources])


def _binary(kept: Kept, language: str) -> Json:
    return _labelled(kept) | {
        "resourceType": "Binary",
        "id": binary_id(kept.order, language),
        "language": language,
        "contentType": PDF,
        "securityContext": {"reference": f"Patient/{kept.printed.patient['id']}"},
        "data": base64.b64encode(kept.made[language]).decode(),
    }


def _reference(kept: Kept, status: str) -> Json:
    order = kept.printed.order
    version = f"{REQUEST}/{kept.order}/_history/{order['meta']['versionId']}"
    made: Json = _labelled(kept) | {
        "resourceType": DOCUMENT,
        "id": document_id(kept.order),
        "status": status,
        "docStatus": "final",
        "type": {"coding": [KIND]},
        "subject": order["subject"],
        "date": instant(kept.moment),
        "author": [order["requester"]],
        "description": words("prescription", ENGLISH)["title"],
        "content": [{"attachment": _attachment(kept, one)} for one in kept.made],
        "context": {"related": [{"reference": version}]},
    }
    return made | ({"securityLabel": [{"coding": [one]} for one in kept.labels]} if kept.labels else {})


def _attachment(kept: Kept, language: str) -> Json:
    made = kept.made[language]
    return {
        "contentType": PDF,
        "language": language,
        "url": f"Binary/{binary_id(kept.order, language)}",
        "size": len(made),
        "hash": base64.b64encode(hashlib.sha1(made, usedforsecurity=False).digest()).decode(),
        "title": words("prescription", language)["title"],
        "creation": instant(kept.moment),
    }


def _labelled(kept: Kept) -> Json:
    return {"meta": {"security": kept.labels}} if kept.labels else {}
