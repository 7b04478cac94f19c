"""The patients in a clinician's care as a list that a statement makes once, for statements that read many rows.

PostgreSQL makes a join of `pat IN (SELECT ...)`. That is right for a clinician of few patients, whose rows it finds by
patient. For one of many, rows are read in the order of their index, and the join costs: time to plan, in every place
where the condition stands, and a probe of an index for each row that is somebody else's. Such a clinician's patients
are a member of the statement instead; each place looks into a hash of it. It says who is in care at that moment, as
the join does: nothing is remembered.

Which of the two is better is a guess that is made with the token's check and remembered with it. It decides how fast a
search is, not what it finds.
"""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment

NAME = "care"
"""The list's name in a statement."""
SHARE = 0.05
"""Of one patient in so many, at least, the rows are read in the order of an index."""
MOST = 2000
"""Longer lists cost more than what they save."""
IN_FORCE = "(v.starts IS NULL OR v.starts <= now()) AND (v.ends IS NULL OR v.ends > now())"
"""The condition that the relationship `v` is there now."""

CARES_FOR_MANY = f"""coalesce((
  SELECT c.relations <= {MOST} AND c.patients > 0 AND k.reltuples > 0 AND c.patients >= k.reltuples * {SHARE}
  FROM pg_class k, (
    SELECT count(*) AS relations, count(DISTINCT f.pat) AS patients FROM (
      SELECT v.pat FROM care_relationship v WHERE v.practitioner = {{practitioner}} AND {IN_FORCE} LIMIT {MOST + 1}
    ) f) c
  WHERE k.oid = 'patient_key'::regclass), false)"""
"""Whether the patients in care of `{practitioner}` are to be listed, as an expression."""


def patients_in_care(practitioner: str) -> Fragment:
    """The list's rows: who is in a practitioner's care now, by break-glass too."""
    return Fragment(f"SELECT v.pat FROM care_relationship v WHERE v.practitioner = %s AND {IN_FORCE}", (practitioner,))


def is_listed(column: str) -> Fragment:
    """The condition that the list has the patient `column`. IS TRUE keeps PostgreSQL from making a join of it."""
    return Fragment(f"({column} IN (SELECT y.pat FROM {NAME} y)) IS TRUE")
