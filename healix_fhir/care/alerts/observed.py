"""The Observations that rules look at: those that have come, and those of the time before.

Only what somebody stands by counts: readings that cannot be right stay `preliminary`, and are no evidence of anything.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-observation-status.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.care.alerts.rule import Code
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.fhirpath.engine import Node, root
from healix_fhir.model.json import decode_stored
from healix_fhir.search import tokens

OBSERVATION = TYPE_ID["Observation"]
CODE = search_parameters("Observation")["code"].id
COUNTING = frozenset({"final", "amended", "corrected"})
MOST = 500
"""Observations of one window: of more, the newest."""


class Observed(msgspec.Struct, frozen=True):
    """An Observation of a patient; `at` is when it was made, `until` when that ended. `codings` say what it is."""

    id: str
    pat: int
    at: datetime
    until: datetime
    node: Node
    codings: tuple[Code, ...]

    @property
    def resource(self) -> dict[str, Any]:
        """Its content."""
        found: dict[str, Any] = self.node.value
        return found


class Span(msgspec.Struct, frozen=True):
    """Observations of a patient with a code (in whatever system), after `begin`, up to `end`."""

    pat: int
    code: str
    begin: datetime
    end: datetime


def hashes(codes: Sequence[str]) -> list[int]:
    """How the index knows codes in whatever system."""
    return [tokens.any_system(CODE, code) for code in codes]


def arrived(ids: Sequence[str], codes: Sequence[str]) -> Work[list[Observed]]:
    """Those of the Observations `ids` that have one of the codes and count, in order of time."""
    rows = yield Statement(
        """SELECT r.id, r.pat, coalesce(r.d, r.updated), coalesce(r.d_hi, r.updated), r.body FROM resource r
           WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted AND r.pat >= 0
             AND EXISTS (SELECT FROM index_token t WHERE t.pk = r.pk AND t.h = ANY(%s))""",
        (OBSERVATION, list(ids), hashes(codes)),
        prepare=False,
    )
    return sorted(_counting(rows), key=lambda one: (one.at, one.id))


def within(spans: Sequence[Span]) -> Work[dict[tuple[int, str], list[Observed]]]:
    """The Observations of each span by its patient and code, oldest first, with one statement."""
    found: dict[tuple[int, str], list[Observed]] = {(span.pat, span.code): [] for span in spans}
    rows = yield Statement(
        """SELECT s.code, r.id, r.pat, coalesce(r.d, r.updated), coalesce(r.d_hi, r.updated), r.body
           FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
             AS s (pat, code, h, begin, until)
           CROSS JOIN LATERAL (SELECT t.pk FROM index_token t WHERE t.h = s.h AND t.pat = s.pat AND t.d > s.begin
                               AND t.d <= s.until ORDER BY t.d DESC, t.pk DESC LIMIT %s) t
           JOIN resource r ON r.pk = t.pk AND r.type = %s AND NOT r.deleted""",
        (
            [span.pat for span in spans],
            [span.code for span in spans],
            hashes([span.code for span in spans]),
            [span.begin for span in spans],
            [span.end for span in spans],
            MOST,
            OBSERVATION,
        ),
        prepare=False,
    )
    for code, *row in rows:
        for one in _counting([tuple(row)]):
            found[one.pat, code].append(one)
    for listed in found.values():
        listed.sort(key=lambda one: (one.at, one.id))
    return found


def _counting(rows: Sequence[Row]) -> Iterator[Observed]:
    for id_, pat, at, until, body in rows:
        resource = decode_stored(bytes(body))
        if resource.get("status") in COUNTING:
            yield Observed(id_, pat, at, until, root(resource), _codings(resource))


def _codings(resource: dict[str, Any]) -> tuple[Code, ...]:
    codings = resource.get("code", {}).get("coding", ())
    return tuple([(coding.get("system"), coding["code"]) for coding in codings if "code" in coding])
