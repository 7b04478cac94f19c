"""What a client is told of a job that has ended.

Spec: HL7 Bulk Data Access 2.0.0 export.html#response---complete-status; `outputOrganizedBy` of 3.0.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.bulk.asked import Export
from healix_fhir.bulk.job import File, Job
from healix_fhir.bulk.links import Links
from healix_fhir.kernel.clock import instant

LISTS = ("output", "deleted", "error")


def manifest(job: Job, files: Sequence[File], links: Links) -> dict[str, Any]:
    """The manifest of a completed export."""
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
