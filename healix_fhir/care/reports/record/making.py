"""Makes a report as a durable job: what it finds is read, set, and stored with the end of the job in one transaction.

A worker that dies has stored nothing, and the next one begins anew; one that was thought dead and lives stores nothing
any more. So there is one document, or none and the reason why.

Spec: FHIR R4, hl7.org/fhir/R4/documentreference.html, hl7.org/fhir/R4/security-labels.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.blobs import Archive
from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.job import Run
from healix_fhir.bulk.pulse import OverError, Pulse
from healix_fhir.bulk.reported import Report
from healix_fhir.bulk.starts import started
from healix_fhir.care.reports.document import Document
from healix_fhir.care.reports.record.composing import Manner, compose
from healix_fhir.care.reports.record.gathering import Gathered, everything, gather
from healix_fhir.care.reports.record.images import Images
from healix_fhir.care.reports.record.sections import Period
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.care.reports.written import Written
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Row, Work, transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.operation.report import RESTRICTED, is_narrowed
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.search.security_labels import CONFIDENTIALITY, LEVELS, is_restricted, label
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext, internal, restored

Json = dict[str, Any]
PDF = "application/pdf"
RECORD = {"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}
MOST_LABELS = 50


class Maker:
    """Makes reports over `pool`; what jobs came to is told for so many `hours`."""

    def __init__(
        self, pool: ConnectionPool[Connection[Row]], bases: tuple[str, ...], archive: Archive, hours: int
    ) -> None:
        self._pool = pool
        self._bases = bases
        self._archive = archive
        self._hours = hours

    def make(self, id_: str) -> None:
        """Do the job. Raises what may pass, so that it is begun again."""
        begun = transaction(self._pool, lambda: jobs.start(id_))
        if begun is not None:
            try:
                started(begun, "report", lambda: self._run(begun), lambda error: self._fail(begun, error))
            except OverError:
                return

    def _fail(self, begun: Run, error: HealixError) -> None:
        transaction(self._pool, lambda: jobs.fail(begun, error, self._hours))

    def _run(self, begun: Run) -> None:
        asked = msgspec.json.decode(begun.job.asked, type=Report)
        access = transaction(self._pool, lambda: restored(begun.job.access, ScopeQueries(self._bases)))
        with Pulse(self._pool, begun) as pulse:
            period = Period(asked.start, asked.end)
            gathered = transaction(
                self._pool, lambda: gather(access, asked.patient, period, asked.sections, self._bases)
            )
            pulse.done = sum(len(found.resources) for found in gathered.sections.values())
            pulse.check()
            document, gathered = self._document(asked, access, gathered)
            pulse.note = "setting"
            made = pdf(document)
            pulse.check()
        transaction(self._pool, lambda: self._stored(begun, access, asked, gathered, document, made))

    def _document(self, asked: Report, access: AccessContext, gathered: Gathered) -> tuple[Document, Gathered]:
        """The document, and all that is in it: also what its pictures are of."""
        images = Images(lambda work: transaction(self._pool, work), access, asked.patient, self._bases, self._archive)
        reports = gathered.sections["reports"].resources if "reports" in gathered.sections else ()
        found = images.of(reports)
        manner = Manner(Written(asked.language, ZoneInfo(asked.zone)), clock.now(), asked.zone)
        document = compose(gathered, manner, found, images.lost)
        return document, msgspec.structs.replace(gathered, pictured=tuple(images.shown))

    def _stored(
        self, begun: Run, access: AccessContext, asked: Report, gathered: Gathered, document: Document, made: bytes
    ) -> Work[None]:
        """Store the document and end the job, or do neither. Raises OverError where the job is over already."""
        labels = labels_of(everything(gathered), narrowed=(yield from is_narrowed(asked.patient)))
        binary, reference = logical_id(), logical_id()
        yield jobs.note_place(begun, f"DocumentReference/{reference}".encode())
        count = sum(len(found.resources) for found in gathered.sections.values())
        if not (yield from jobs.complete(begun, document.made, count, (), self._hours)):
            raise OverError
        server = internal(access.origin)
        yield from commit(
            server,
            [
                self._change(_binary(binary, asked.patient, made, labels)),
                self._change(_reference(reference, binary, access, asked, document, made, labels)),
            ],
        )

    def _change(self, resource: Json) -> Change:
        return change(Method.POST, resource, resource["resourceType"], resource["id"], self._bases)


def labels_of(resources: Iterable[Json], *, narrowed: bool) -> list[Json]:
    """The security labels of a document: those of all that is in it, of confidentiality the highest alone.

    A record of which a Consent denies parts to somebody is `narrowed`; a document of it is restricted. Of more labels
    than `MOST_LABELS` those are left out that hide nothing.
    """
    codings = [one for resource in resources for one in resource.get("meta", {}).get("security", ())]
    if narrowed:
        system, _, code = RESTRICTED.rpartition("|")
        codings.append({"system": system, "code": code})
    found = {(one.get("system"), one.get("code")): one for one in codings if one.get("code")}
    levels = [code for system, code in found if system == CONFIDENTIALITY and code in LEVELS]
    highest = max(levels, key=LEVELS.index, default=None)
    kept = [
        {key: one[key] for key in ("system", "code", "display") if key in one}
        for (system, code), one in found.items()
        if not (system == CONFIDENTIALITY and code in LEVELS) or code == highest
    ]
    hiding = [one for one in kept if is_restricted(label(one) or "")]
    return hiding + [one for one in kept if one not in hiding][: max(MOST_LABELS - len(hiding), 0)]


def _binary(id_: str, patient: str, made: bytes, labels: list[Json]) -> Json:
    return {
        "resourceType": "Binary",
        "id": id_,
        **({"meta": {"security": labels}} if labels else {}),
        "contentType": PDF,
        "securityContext": {"reference": f"Patient/{patient}"},
        "data": base64.b64encode(made).decode(),
    }


def _reference(
    id_: str, binary: str, access: AccessContext, asked: Report, document: Document, made: bytes, labels: list[Json]
) -> Json:
    author = _author(access)
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        **({"meta": {"security": labels}} if labels else {}),
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [RECORD]},
        "subject": {"reference": f"Patient/{asked.patient}"},
        "date": instant(document.made),
        **({"author": [{"reference": author}]} if author else {}),
        "description": f"{document.title}: {document.subtitle}",
        **({"securityLabel": [{"coding": [one]} for one in labels]} if labels else {}),
        "content": [
            {
                "attachment": {
                    "contentType": PDF,
                    "language": asked.language,
                    "url": f"Binary/{binary}",
                    "size": len(made),
                    "hash": base64.b64encode(hashlib.sha1(made, usedforsecurity=False).digest()).decode(),
                    "title": document.title,
                    "creation": instant(document.made),
                }
            }
        ],
        "context": {"period": {"start": instant(asked.start), "end": instant(_last(asked.end))}},
    }


def _last(end: datetime) -> datetime:
    return end - timedelta(milliseconds=1)


def _author(access: AccessContext) -> str | None:
    if access.practitioner is not None:
        return f"Practitioner/{access.practitioner}"
    return f"Patient/{access.patient}" if access.patient is not None and access.person is not None else None
