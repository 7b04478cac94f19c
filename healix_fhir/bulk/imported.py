"""What is asked of an import, and how far one is.

R4 has no import; this one follows the proposal that mirrors Bulk Data Access: files of NDJSON by type, from addresses
or uploaded before, and a manifest with what became of each.

Spec: SMART on FHIR, bulk-import (2020 draft), import.md
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from healix_fhir.bulk.asked import FORMATS, NDJSON
from healix_fhir.bulk.job import File
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.kernel.errors import forbidden, invalid, unsupported
from healix_fhir.model.definitions import TYPE_ID
from smart_auth.access import AccessContext
from smart_auth.scope import Context, Permission

MOST = 1000
CODINGS = ("gzip",)


class Mode(StrEnum):
    """What becomes of a resource that is stored already with other content."""

    INCREMENTAL = "incremental"  # it gets a new version
    INITIAL = "initial"  # it stays as it is, and the line is refused


class Input(msgspec.Struct, frozen=True):
    """A file of resources of one type, at an address: of another server, or of an upload here (its id)."""

    type: str
    url: str
    upload: str | None = None


class Import(msgspec.Struct, frozen=True):
    """What to import: `source` becomes the `meta.source` of resources that have none."""

    inputs: tuple[Input, ...]
    mode: str = Mode.INCREMENTAL
    source: str | None = None
    types: tuple[str, ...] = ()


class Progress(msgspec.Struct):
    """How far an import is: the lines before `line` of the file `input` are done, the files before it whole.

    `stored` and `refused` count lines by file; `errors` are the files of refusals that have ended, `of` the file that
    each belongs to. So many files were `fetched`.
    """

    input: int = 0
    line: int = 0
    stored: list[int] = []
    refused: list[int] = []
    errors: list[File] = []
    of: list[int] = []
    fetched: int = 0


def read_import(
    access: AccessContext,
    inputs: Sequence[tuple[str, str]],
    *,
    format_: str | None,
    mode: str | None,
    source: str | None,
    storage: str | None,
    coding: Sequence[str],
    uploads: str,
    allow_private: bool,
) -> Import:
    """The import of `inputs` (type and address); addresses below `uploads` are those of uploads here.

    Raises Invalid, Unsupported or Forbidden with a message that names what is wrong.
    """
    if not any(scope.context is Context.SYSTEM for scope in access.scopes):
        raise forbidden("$import takes a token with system/ scopes")
    if FORMATS.get(format_ or NDJSON) is None:
        raise unsupported(f"inputFormat {(format_ or '')[:64]} is not supported: {', '.join(FORMATS)} are")
    if storage not in (None, "https"):
        raise unsupported(f"storageDetail.type {storage[:64]} is not supported: https is")
    if wrong := [one for one in coding if one not in CODINGS]:
        raise unsupported(f"storageDetail.contentEncoding {wrong[0][:64]} is not supported: {', '.join(CODINGS)} is")
    if mode is not None and mode not in [*Mode]:
        raise invalid(f"mode is {' or '.join(Mode)}, not '{mode[:64]}'", code="value", expression=("mode",))
    if not 0 < len(inputs) <= MOST:
        raise invalid(f"an import has one input at least, and {MOST} at most", code="value", expression=("input",))
    read = tuple(_input(access, type_, url, uploads, allow_private=allow_private) for type_, url in inputs)
    return Import(read, mode or Mode.INCREMENTAL, source, tuple(dict.fromkeys(one.type for one in read)))


def _input(access: AccessContext, type_: str, url: str, uploads: str, *, allow_private: bool) -> Input:
    if type_ not in TYPE_ID:
        raise invalid(f"input.type: '{type_[:64]}' is no resource type of R4", code="value", expression=("input",))
    if type_ == AUDIT_EVENT:
        raise invalid("input.type: AuditEvents are written by the server alone", code="not-supported")
    access.require(type_, Permission.UPDATE)
    if url.startswith(uploads):
        return Input(type_, url, url.removeprefix(uploads))
    check_endpoint(url, allow_private=allow_private)
    return Input(type_, url)
