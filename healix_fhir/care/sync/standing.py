"""How far each upstream is, in words and numbers for who runs the server; nothing of what is sent."""

from __future__ import annotations

from datetime import datetime

import msgspec

from healix_fhir.care.sync.resources import NO_IDS
from healix_fhir.kernel.database import Statement, Work

COUNTED = 100_000
"""Versions that wait are counted up to here."""


class Standing(msgspec.Struct, frozen=True):
    """An upstream as it stands. `position` is the number of the last change up to which it has all that is not held,
    `behind` how many wait (of more than `COUNTED` so many), `held` how many of those until a conflict is decided, and
    `since` when the oldest of the others was made. `kept_there` are studies that were sent, and deleted here since,
    which the upstream keeps: for `kept_why`, or as the site's retention removed them.
    """

    name: str
    fhir: str | None
    dicomweb: str | None
    position: int
    behind: int
    held: int
    since: datetime | None
    studies: int
    refused_images: int
    refused_why: str | None
    kept_there: int
    kept_why: str | None
    conflicts: int
    sent: int
    images: int
    success: datetime | None
    failures: int
    reason: str | None
    again: datetime

    @property
    def state(self) -> str:
        """In one word or two."""
        if self.reason == NO_IDS:
            return "cannot be served"
        if self.reason is not None:
            return "away"
        if self.behind > self.held or self.studies:
            return "behind"
        return "needs a decision" if self.conflicts or self.refused_images else "level"


_STANDING = f"""
SELECT u.name, u.fhir, u.dicomweb,
       coalesce(w.first - 1, pg_sequence_last_value('sync_change_seq_seq'), 0),
       coalesce(w.behind, 0), coalesce(w.held, 0), w.since,
       coalesce(s.open, 0), coalesce(s.refused, 0), s.why,
       (SELECT count(*)::int FROM (
          SELECT FROM sync_study q WHERE q.upstream = u.name AND q.after > 0
            AND (q.kept IS NOT NULL OR NOT EXISTS (SELECT FROM study t WHERE t.study_uid = q.study))
          LIMIT {COUNTED}) g),
       s.kept,
       (SELECT count(*)::int FROM sync_conflict x WHERE x.upstream = u.name),
       u.sent, u.images, u.success, u.failures, u.reason, u.due
FROM sync_upstream u
LEFT JOIN LATERAL (
  SELECT min(c.seq) FILTER (WHERE x.id IS NULL) AS first, count(*)::int AS behind, count(x.id)::int AS held,
         min(c.made) FILTER (WHERE x.id IS NULL) AS since
  FROM (SELECT * FROM sync_change WHERE upstream = u.name ORDER BY seq LIMIT {COUNTED}) c
  LEFT JOIN sync_conflict x ON x.upstream = c.upstream AND x.type = c.type AND x.id = c.id) w ON true
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE q.open)::int AS open, sum(q.refused)::int AS refused, min(q.reason) AS why,
         min(q.kept) AS kept
  FROM sync_study q WHERE q.upstream = u.name) s ON true
ORDER BY u.name"""


def standing() -> Work[list[Standing]]:
    """Every upstream, by name."""
    rows = yield Statement(_STANDING)
    return [Standing(*row) for row in rows]


def shown(one: Standing) -> dict[str, object]:
    """An upstream as the operator's command answers it."""
    plain: dict[str, object] = msgspec.to_builtins(one)
    return {"name": one.name, "state": one.state, **plain}
