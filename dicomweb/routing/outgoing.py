"""The instances of a study that a route has still to send, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.routing.rules import MATCHES
from dicomweb.study.retrieve import Instance
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

BATCH = 200
MOST_NAMED = 50_000
"""Instances of a study that are told of at once."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance to send: `pk` says how far the route is with it, `via` through which servers it came."""

    pk: int
    instance: Instance
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be sent next; `restless`: seconds until the study counts as complete, 0 when it does."""

    instances: list[Outgoing]
    patient: str | None
    restless: float


_NEXT = f"""
SELECT i.pk, i.via, s.study_uid, e.series_uid, i.instance_uid, i.sop_class_uid, i.transfer_syntax, i.blob, i.size, k.id,
       greatest(0, least(r.quiet, r.quiet - extract(epoch FROM now() - s.updated)))::float8
FROM route r, study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
LEFT JOIN patient_key k ON k.pat = s.pat
WHERE r.name = %s AND s.study_uid = %s AND i.pk > %s AND {MATCHES} AND {{open}}
ORDER BY i.pk LIMIT %s"""


def outgoing(access: AccessContext, route: str, study: str, after: int, limit: int = BATCH) -> Work[Batch]:
    """What of a study a route sends next; nothing where the route, or what it had to send, is gone."""
    open_ = access.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study")
    rows = yield Statement(_NEXT.format(open=open_.sql), (route, study, after, *open_.params, limit))
    if not rows:
        return Batch([], None, 0)
    found = [Outgoing(row[0], Instance(*row[2:9]), tuple(row[1] or ())) for row in rows]
    return Batch(found, rows[0][9], rows[0][10])
