"""What has arrived and is on its way to somewhere else: the consumer of study events.

It looks at what is there now, and asks for an errand for each study and route that has instances further than it has
sent. The errand begins when the study has been quiet for a while: that is what counts as complete here, as DICOM has
no other sign of it. Three statements, whatever the number of events; one where there is no route.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.errand.queue import Kind, Wanted, ask
from dicomweb.routing.rules import MATCHES, Action, Route, routes
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event

KINDS = {Action.SEND: Kind.SEND, Action.NOTICE: Kind.NOTICE}

_DUE = f"""
SELECT s.study_uid, r.name FROM unnest(%s::text[]) x (uid) JOIN study s ON s.study_uid = x.uid CROSS JOIN route r
LEFT JOIN errand q ON q.about = s.study_uid AND q.rule = r.name AND q.kind = r.action
WHERE coalesce(s.pat, 0) >= 0 AND EXISTS (
  SELECT FROM series e JOIN instance i ON i.series_pk = e.pk
  WHERE e.study_pk = s.pk AND i.pk > coalesce(q.after, 0) AND {MATCHES})"""


def arrived(events: Sequence[Event]) -> Work[None]:
    """The consumer of study events."""
    rules = {route.name: route for route in (yield from routes())}
    if not rules:
        return
    rows = yield Statement(_DUE, (sorted({event.payload["study"] for event in events}),))
    if rows:
        yield ask([_wanted(rules[name], study) for study, name in rows])


def _wanted(route: Route, study: str) -> Wanted:
    return Wanted(KINDS[route.action], route.receiver, study, route.name, route.quiet)
