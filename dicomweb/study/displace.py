"""Stored objects make room for others with their UIDs: they are kept like deleted ones, and can be restored.

Spec: PS3.4 B.4.1 leaves to the archive what becomes of a second object with a known UID (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.errors import SerializationFailure

from dicomweb.study.delete import SET_ASIDE
from dicomweb.study.receive import Received
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext

WORD = "replace-instances"
REPLACED = "replaced"

_DISPLACE = f"""
WITH given AS MATERIALIZED (SELECT * FROM unnest(%s::text[], %s::text[]) AS g (instance_uid, study_uid)),
     locked AS MATERIALIZED (
       SELECT s.pk FROM study s WHERE s.study_uid IN (SELECT g.study_uid FROM given g) ORDER BY s.study_uid FOR UPDATE),
     chosen AS MATERIALIZED (
       SELECT i.pk, e.pk AS series_pk, s.pk AS study_pk
       FROM given g JOIN instance i USING (instance_uid) JOIN series e ON e.pk = i.series_pk
       JOIN study s ON s.pk = e.study_pk AND s.study_uid = g.study_uid
       WHERE s.pk IN (SELECT pk FROM locked)),{SET_ASIDE},
     fewer AS (
       UPDATE series e SET instances_in_series = e.instances_in_series - n.instances
       FROM (SELECT series_pk, count(*) AS instances FROM chosen GROUP BY 1) n WHERE e.pk = n.series_pk)
UPDATE study s SET instance_count = s.instance_count - n.instances
FROM (SELECT study_pk, count(*) AS instances FROM chosen GROUP BY 1) n WHERE s.pk = n.study_pk
RETURNING n.instances"""


def displace(access: AccessContext, group: Sequence[Received]) -> Work[None]:
    """Move the stored objects that have the UIDs of `group` aside; one statement. The caller decided that they may go,
    and stores the others in the same transaction.

    Raises SerializationFailure when one is no longer there.
    """
    rows = yield Statement(
        _DISPLACE,
        ([one.sop_instance for one in group], [one.study for one in group], access.origin.account, REPLACED),
    )
    if sum(row[0] for row in rows) != len(group):
        raise SerializationFailure("an object that was to be replaced changed meanwhile")
