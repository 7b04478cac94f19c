"""$import: files of NDJSON from addresses, or uploaded before, become resources, later.

`POST [base]/$import` with `Prefer: respond-async` and a Parameters resource answers 202 with the address of the job
(healix_fhir/api/bulk.py). Lines are written in the name of the token's client, each as an update under its own id.

Spec: SMART on FHIR, bulk-import (2020 draft), import.md
"""

from __future__ import annotations

import msgspec

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.imported import Import, Mode, read_import
from healix_fhir.bulk.job import IMPORT as KIND
from healix_fhir.bulk.job import UPLOAD
from healix_fhir.bulk.links import PATH
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.operation_definition import Parameter
from healix_fhir.operation.declaring import into, own
from healix_fhir.operation.export import accepted, require_async, without_patient
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation, Outcome
from smart_auth.access import AccessContext


def _with_parts(name: str, documentation: str, *parts: tuple[str, str, str, int, str], most: str) -> Parameter:
    return msgspec.structs.replace(
        into(name, "", documentation, most=most),
        part=tuple(into(part, type_, words, least=least, most=often) for part, type_, words, least, often in parts),
    )


IMPORT = own(
    "import",
    "Files of NDJSON become resources under their own ids.",
    into("inputFormat", "string", "The format of the files: application/fhir+ndjson."),
    into("inputSource", "uri", "Where the resources come from: their meta.source, where they have none."),
    into("mode", "code", f"{' or '.join(Mode)}: whether a resource that is there with other content is changed."),
    _with_parts(
        "storageDetail",
        "Where the files lie.",
        ("type", "code", "https.", 1, "1"),
        ("contentEncoding", "code", "gzip.", 0, "*"),
        most="1",
    ),
    _with_parts(
        "input",
        "A file.",
        ("type", "code", "The type of its resources.", 1, "1"),
        ("url", "url", "Its address, also that of an upload (POST /bulk/uploads).", 1, "1"),
        most="*",
    ),
    levels=("system",),
)


async def bulk_import(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Begin a job. Raises Forbidden, Invalid or Unsupported by name, Busy for too many jobs."""
    require_async(invocation, "$import")
    access = without_patient(access, "$import")
    base, given = interactions.bases[0], invocation.given
    storage = given.one("storageDetail") or Given()
    asked = read_import(
        access,
        [(one.text("type"), one.text("url")) for one in given.all("input")],
        format_=given.text("inputFormat"),
        mode=given.text("mode"),
        source=given.text("inputSource"),
        storage=storage.text("type"),
        coding=storage.texts("contentEncoding"),
        uploads=f"{base.removesuffix('/fhir')}{PATH}/",
        allow_private=interactions.fetches_private,
    )
    id_ = await atransaction(interactions.pool, lambda: _begin(access, asked, f"{base}/$import"))
    return accepted(base, id_, "the import has begun")


def _begin(access: AccessContext, asked: Import, request: str) -> Work[str]:
    for one in asked.inputs:
        if one.upload is not None and (yield from jobs.find(access, one.upload)).kind != UPLOAD:
            raise invalid(f"input.url: {one.url[:200]} is no upload", code="value", expression=("input",))
    id_ = yield from jobs.begin(KIND, access, request, asked)
    told = " ".join(f"{one.type}={one.url}" for one in asked.inputs)
    yield record([AuditRow(access.origin, "E", "$import", entity=f"bulk/{id_}", query=told[:2000])])
    return id_
