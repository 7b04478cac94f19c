"""What a signed version of a report is filed as in FHIR: its PDF, where that is, and what who ordered it is told; pure.

Spec: FHIR R4, hl7.org/fhir/R4/documentreference.html, hl7.org/fhir/R4/communication.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from healix_fhir.imaging.reporting.edition import Edition, pdf_uid, resource_id
from healix_fhir.imaging.reporting.printed import language_of
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.language.catalogue import marked, say
from healix_fhir.model.imaging_report import CODE, is_critical
from healix_fhir.store.lifecycle.communication import CATEGORY, NOTIFICATION

Json = dict[str, Any]
PDF = "application/pdf"
TOLD = {
    "final": marked("{what}: there is a report."),
    "amended": marked("{what}: the report was amended."),
    "corrected": marked("{what}: the report was corrected."),
    "appended": marked("{what}: the report has an addendum."),
}
"""What is said of a report, by its status."""
CHANGED = marked("{what}: the report has changed.")
URI_SYSTEM = "urn:ietf:rfc:3986"


def binary(edition: Edition, pdf: bytes, labels: Sequence[Json]) -> Json:
    """The PDF."""
    return _labelled(labels) | {
        "resourceType": "Binary",
        "id": resource_id("Binary", edition.uid),
        "contentType": PDF,
        "securityContext": {"reference": f"Patient/{edition.patient['id']}"},
        "data": base64.b64encode(pdf).decode(),
    }


def attachment(edition: Edition, pdf: bytes) -> Json:
    """Where the PDF is: of the report as of the document."""
    return {
        "contentType": PDF,
        "language": language_of(edition.report),
        "url": f"Binary/{resource_id('Binary', edition.uid)}",
        "size": len(pdf),
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
        "title": edition.procedure or "Imaging report",
        "creation": instant(edition.issued),
    }


def reference(edition: Edition, pdf: bytes, labels: Sequence[Json], replaced: str | None = None) -> Json:
    """The document, which replaces that of the version before, if there is one (a logical id)."""
    report = edition.report
    related = [{"reference": f"DiagnosticReport/{report['id']}"}, *report.get("basedOn", ())]
    made: Json = _labelled(labels) | {
        "resourceType": "DocumentReference",
        "id": resource_id("DocumentReference", edition.uid),
        "masterIdentifier": {"system": URI_SYSTEM, "value": f"urn:oid:{pdf_uid(edition.uid)}"},
        "status": "current",
        "docStatus": "final" if report["status"] == "final" else "amended",
        "type": {"coding": [CODE]},
        "subject": report["subject"],
        "date": instant(edition.issued),
        "author": report["resultsInterpreter"],
        "description": edition.procedure or "Imaging report",
        "content": [{"attachment": attachment(edition, pdf)}],
        "context": {"related": [*related, *report.get("imagingStudy", ())]},
    }
    if labels:
        made["securityLabel"] = [{"coding": [one]} for one in labels]
    if replaced is not None:
        made["relatesTo"] = [{"code": "replaces", "target": {"reference": f"DocumentReference/{replaced}"}}]
    return made


def communication(edition: Edition, recipient: str, labels: Sequence[Json]) -> Json:
    """That who ordered was told of the report, in the language that is spoken; it says nothing of what was found."""
    report = edition.report
    critical = is_critical(report)
    what = edition.procedure or say("Your order")
    told = TOLD.get(str(report["status"]), CHANGED)
    said = say(told, what=what)
    if critical:
        said += " " + say("It has critical findings: please read it now.")
    made: Json = _labelled(labels) | {
        "resourceType": "Communication",
        "id": resource_id("Communication", edition.uid),
        "status": "completed",
        "category": [{"coding": [{"system": CATEGORY, "code": NOTIFICATION}]}],
        "priority": "urgent" if critical else "routine",
        "subject": report["subject"],
        "about": [{"reference": f"DiagnosticReport/{report['id']}"}],
        "sent": instant(edition.issued),
        "recipient": [{"reference": recipient}],
        "payload": [{"contentString": said}],
    }
    return made | ({"basedOn": report["basedOn"]} if "basedOn" in report else {})


def taken_back(told: Json, id_: str) -> Json:
    """That the report of which a Communication told was a mistake, in the language that is spoken; as urgent as that
    was, to whom it went.
    """
    kept = {name: one for name, one in told.items() if name not in ("meta", "payload", "text")}
    labels = told.get("meta", {}).get("security", ())
    said = say("A report of what you ordered was a mistake, and has been taken back: please do not rely on it.")
    made = {"id": id_, "sent": instant(clock.now()), "payload": [{"contentString": said}]}
    return kept | _labelled(labels) | made


def _labelled(labels: Sequence[Json]) -> Json:
    return {"meta": {"security": list(labels)}} if labels else {}
