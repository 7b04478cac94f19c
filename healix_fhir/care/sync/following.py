"""Consumers of the outbox: what an upstream is to have is written down for it, in the order in which it happened.

Two statements for each, whatever the number of events; one where there is no upstream. What is told twice is written
once.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.errand.queue import ask
from healix_fhir.care.sync.upstream import upstreams
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event

_CHANGED = """
INSERT INTO sync_change (upstream, type, id, version)
SELECT x.upstream, x.type, x.id, x.version
FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[]) WITH ORDINALITY AS x (upstream, type, id, version, n)
LEFT JOIN sync_known k ON k.upstream = x.upstream AND k.type = x.type AND k.id = x.id
WHERE x.version > coalesce(k.version, 0)
ORDER BY x.n ON CONFLICT DO NOTHING"""
_ARRIVED = """
INSERT INTO sync_study (upstream, study)
SELECT u.name, x.uid FROM unnest(%s::text[]) AS u (name) CROSS JOIN unnest(%s::text[]) AS x (uid)
LEFT JOIN study s ON s.study_uid = x.uid
LEFT JOIN sync_study q ON q.upstream = u.name AND q.study = x.uid
WHERE coalesce(s.pat, 0) >= 0 AND (s.pk IS NOT NULL OR q.study IS NOT NULL)
ON CONFLICT (upstream, study) DO UPDATE SET open = true, asked = CASE WHEN sync_study.open THEN sync_study.asked
  ELSE now() END"""


def changed(events: Sequence[Event]) -> Work[None]:
    """The consumer of changes to resources."""
    found = [one for one in (yield from upstreams()) if one.fhir is not None]
    rows = [
        (one.name, event.payload["type"], event.payload["id"], event.payload["version"])
        for event in events
        for one in found
        if one.takes(event.payload["type"])
    ]
    if rows:
        yield Statement(_CHANGED, [list(column) for column in zip(*rows, strict=True)], prepare=False)
        told = {name for name, *_ in rows}
        yield ask([one.wanted for one in found if one.name in told])


def arrived(events: Sequence[Event]) -> Work[None]:
    """The consumer of study events."""
    found = [one for one in (yield from upstreams()) if one.dicomweb is not None]
    if found:
        studies = sorted({event.payload["study"] for event in events})
        yield Statement(_ARRIVED, ([one.name for one in found], studies))
        yield ask([one.wanted for one in found])
