"""Searching studies, series and instances: the one service behind QIDO-RS and C-FIND.

Spec: PS3.18 10.6, PS3.4 C.2.2.2 and C.4.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from healix_fhir.kernel.database import Work
from smart_auth.access import AccessContext


class Level(IntEnum):
    """The level of the information model that is searched."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True)
class Query:
    r"""A parsed search.

    `keys`: (keyword, value) pairs, a sequence's attribute as `RequestAttributesSequence.ScheduledProcedureStepID`;
    values as in PS3.4 C.2.2.2 (wildcards, ranges, lists of UIDs with `\`; an empty one matches everything).
    `include`: further keywords to return; `include_all`: every attribute that is indexed.
    """

    level: Level
    keys: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    include_all: bool = False
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """The result: one DICOM JSON object (encoded) for each match; `more`: whether matches remain after the limit."""

    objects: list[bytes]
    more: bool


def parse(level: Level, params: Sequence[tuple[str, str]], *, within: Sequence[tuple[str, str]] = ()) -> Query:
    """A search from QIDO-RS query parameters: attributes by keyword or tag, includefield, limit, offset, fuzzymatching.

    `within` are keys from the path, e.g. `(("StudyInstanceUID", uid),)`. Raises Invalid for what is malformed or
    unknown.
    """
    raise NotImplementedError


def query(access: AccessContext, query: Query, *, base: str = "") -> Work[Matches]:
    """Run a search as far as `access` may see; one statement and an audit row.

    `base` is the DICOMweb base URL without a slash at the end, for Retrieve URL (0008,1190); without it none is
    returned (C-FIND).
    Raises Forbidden when `access` may not search at all.
    """
    raise NotImplementedError
