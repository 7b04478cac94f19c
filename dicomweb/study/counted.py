"""Series and study rows after instances went or came back: their counts are those of what is there, empty ones go.

The caller holds the lock of the study row, so that nothing is stored in it meanwhile.
"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work

_SERIES = """
WITH there AS (
       SELECT e.pk, (SELECT count(*) FROM instance i WHERE i.series_pk = e.pk) AS instances
       FROM series e JOIN study s ON s.pk = e.study_pk WHERE s.study_uid = %s),
     gone AS (DELETE FROM series e USING there t WHERE e.pk = t.pk AND t.instances = 0)
UPDATE series e SET instances_in_series = t.instances FROM there t
WHERE e.pk = t.pk AND t.instances > 0 AND e.instances_in_series <> t.instances"""

_STUDY = """
WITH there AS (
       SELECT s.pk, count(e.pk) AS series, coalesce(sum(e.instances_in_series), 0) AS instances,
              coalesce(array_agg(DISTINCT e.modality ORDER BY e.modality) FILTER (WHERE e.modality IS NOT NULL), '{}')
                AS modalities,
              ARRAY(SELECT DISTINCT i.sop_class_uid FROM series y JOIN instance i ON i.series_pk = y.pk
                    WHERE y.study_pk = s.pk ORDER BY 1) AS classes
       FROM study s LEFT JOIN series e ON e.study_pk = s.pk WHERE s.study_uid = %s GROUP BY s.pk),
     gone AS (DELETE FROM study s USING there t WHERE s.pk = t.pk AND t.series = 0)
UPDATE study s SET series_count = t.series, instance_count = t.instances, modalities = t.modalities,
       sop_classes = t.classes, updated = now()
FROM there t WHERE s.pk = t.pk AND t.series > 0"""


def counted(study: str) -> Work[None]:
    """Bring the rows of a study in line with its instances; two statements."""
    yield Statement(_SERIES, (study,))
    yield Statement(_STUDY, (study,))
