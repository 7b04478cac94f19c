"""What resources say about who may see whose record, as rows of `care_relationship`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel.database import Statement


@dataclass(frozen=True, slots=True)
class Relationship:
    """`source` ("Type/id") says that `who` may see the patient `pat` from `starts` until `ends`; None is open.

    `who` is the logical id of a Practitioner, or `RelatedPerson/ID`.
    """

    who: str
    pat: int
    source: str
    starts: datetime | None = None
    ends: datetime | None = None


def replace(sources: Sequence[str], stated: Sequence[Relationship]) -> Statement:
    """Make `stated` all that `sources` say."""
    return Statement(
        """WITH stated AS (
             SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
               AS x (practitioner, pat, source, starts, ends)),
           gone AS (
             DELETE FROM care_relationship c WHERE c.source = ANY(%s) AND NOT EXISTS (
               SELECT FROM stated s WHERE (s.practitioner, s.pat, s.source) = (c.practitioner, c.pat, c.source)))
           INSERT INTO care_relationship AS c (practitioner, pat, source, starts, ends)
           SELECT practitioner, pat, source, starts, ends FROM stated ORDER BY practitioner, pat, source
           ON CONFLICT (practitioner, pat, source) DO UPDATE SET starts = excluded.starts, ends = excluded.ends
             WHERE (c.starts, c.ends) IS DISTINCT FROM (excluded.starts, excluded.ends)""",
        (
            [one.who for one in stated],
            [one.pat for one in stated],
            [one.source for one in stated],
            [one.starts for one in stated],
            [one.ends for one in stated],
            list(sources),
        ),
    )
