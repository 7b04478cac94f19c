"""What a client is told of a job that has ended.

Spec: HL7 Bulk Data Access 2.0.0 export.html#response---complete-status; `outputOrganizedBy` of 3.0.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.bulk.asked import Export
from healix_fhir.bulk.imported import Import, Progress
from healix_fhir.bulk.job import IMPORT, REPORT, UPLOAD, File, Job
from healix_fhir.bulk.links import Links
from healix_fhir.kernel.clock import instant

LISTS = ("output", "deleted", "error")


def manifest(job: Job, files: Sequence[File], links: Links) -> dict[str, Any]:
    """The manifest of a completed job; of an upload, how large it is."""
    if job.kind == UPLOAD:
        return {"size": sum(file.size for file in files)}
    if job.kind == REPORT:
        return _of_report(job, links)
    return _of_import(job, links) if job.kind == IMPORT else _of_export(job, files, links)


def _of_import(job: Job, links: Links) -> dict[str, Any]:
    """What became of each file. Spec: SMART on FHIR, bulk-import (2020 draft), import.md"""
    assert job.moment is not None
    assert job.place is not None
    asked, told = msgspec.json.decode(job.asked, type=Import), msgspec.json.decode(job.place, type=Progress)
    return {
        "transactionTime": instant(job.moment),
        "request": job.request,
        "requiresAccessToken": not links.signed,
        "output": [
            {"type": one.type, "inputUrl": one.url, "count": stored}
            for one, stored in zip(asked.inputs, told.stored, strict=True)
        ],
        "error": [
            {**_item(job, file, links), "inputUrl": asked.inputs[number].url}
            for file, number in zip(told.errors, told.of, strict=True)
        ],
    }


def _of_report(job: Job, links: Links) -> dict[str, Any]:
    """Where the document is. Spec: FHIR R5, hl7.org/fhir/R5/async-bundle.html#3.2.6.2"""
    assert job.place is not None
    response = {"status": "201", "location": links.resource(job.place.decode())}
    return {"resourceType": "Bundle", "type": "batch-response", "entry": [{"response": response}]}


def _of_export(job: Job, files: Sequence[File], links: Links) -> dict[str, Any]:
    assert job.moment is not None
    organized = msgspec.json.decode(job.asked, type=Export).organized
    return {
        "transactionTime": instant(job.moment),
        "request": job.request,
        "requiresAccessToken": not links.signed,
        **({"outputOrganizedBy": "Patient"} if organized else {}),
        **{name: [_item(job, file, links) for file in files if file.list == name] for name in LISTS},
    }


def _item(job: Job, file: File, links: Links) -> Mapping[str, Any]:
    typed = {} if file.type is None else {"type": file.type}
    return {**typed, "url": links.file(job, file.name), "count": file.count}
