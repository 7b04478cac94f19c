"""The pieces of the statements that list studies, series and instances: where they are, in which order, what they are
made of, and what the audit trail says of them.

Spec: PS3.18 8.3.4.4.1 and 10.6 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomweb.index.attributes import Level

FROM = {
    Level.STUDY: "study s",
    Level.SERIES: "series e JOIN study s ON s.pk = e.study_pk",
    Level.INSTANCE: "instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk",
}
_STUDIES = (("s.study_date", True), ("s.pk", True))
_SERIES = (*_STUDIES, ("e.series_number", False), ("e.pk", False))
ORDERED: Mapping[Level, Sequence[tuple[str, bool]]] = {
    Level.STUDY: _STUDIES,
    Level.SERIES: _SERIES,
    Level.INSTANCE: (*_SERIES, ("i.instance_number", False), ("i.pk", False)),
}
"""Total orders, so that pages neither repeat nor miss: columns, and which descend. Spec: PS3.18 8.3.4.4.1 (2024d)"""
ORDER = {
    level: ", ".join(f"{column} DESC NULLS LAST" if descends else column for column, descends in ordered)
    for level, ordered in ORDERED.items()
}

_FIRST_OF_SERIES = "SELECT i.metadata FROM instance i WHERE i.series_pk = {series} ORDER BY i.pk LIMIT 1"
METADATA = {
    Level.STUDY: "("
    + _FIRST_OF_SERIES.format(series="(SELECT e.pk FROM series e WHERE e.study_pk = p.pk ORDER BY e.pk LIMIT 1)")
    + ")",
    Level.SERIES: f"({_FIRST_OF_SERIES.format(series='p.pk')})",
    Level.INSTANCE: "(SELECT i.metadata FROM instance i WHERE i.pk = p.pk)",
}
"""The metadata of the first object of each match, which index rows of studies and series are made from too."""

PATIENTS = (
    "SELECT p.patient, NULL AS entity, %s AS query FROM (SELECT 1) one"
    " LEFT JOIN (SELECT DISTINCT patient FROM found WHERE place <= %s AND patient IS NOT NULL) p ON true"
)
"""What the audit trail says of a search: each patient shown, or one row of nobody."""

PATIENTS_BY_KEY = """
SELECT p.patient, NULL AS entity, %s AS query FROM (SELECT 1) one
LEFT JOIN (SELECT k.id AS patient FROM (SELECT DISTINCT pat FROM found WHERE place <= %s AND pat IS NOT NULL) d
           CROSS JOIN LATERAL (SELECT k.id FROM patient_key k WHERE k.pat = d.pat LIMIT 1) k) p ON true"""
"""The same, where rows have but the patient's key: quicker to run, and not to plan."""

VERSIONS = {
    Level.STUDY: ("s.xmin",),
    Level.SERIES: ("e.xmin", "s.xmin"),
    Level.INSTANCE: ("i.xmin", "e.xmin", "s.xmin"),
}
"""Those of the rows that a match is made of, its metadata apart; with its key they say whether it is another one."""

# A database that takes the place of another may count versions that this has counted; it has started at another time.
# OFFSET 0 keeps the planner from reading the rows first and asking then; LATERAL with LIMIT keeps each look-up an
# index probe, also in a plan that expects a long page.
IF_OTHER = """
WITH state AS MATERIALIZED (
       SELECT count(*) AS matches,
              sha256(string_agg({mark}, '' ORDER BY place) FILTER (WHERE place <= %s)
                     || timestamptz_send(pg_postmaster_start_time())) AS state
       FROM found)
SELECT x.*, CASE WHEN x.number > 1 THEN NULL ELSE s.matches END AS matches,
       CASE WHEN x.number > 1 THEN NULL ELSE s.state END AS state, coalesce(x.number, 0) AS place
FROM state s
LEFT JOIN (SELECT r.*, p.place AS number FROM found p
           CROSS JOIN LATERAL (SELECT {columns} FROM {source} WHERE {key} = p.pk LIMIT 1) r
           WHERE p.place <= %s AND (SELECT state FROM state) IS DISTINCT FROM %s OFFSET 0) x ON true"""
"""The rows of the page `found` if their state is not the known one, else one of nothing; with the first, the state and
how many matches were found.
"""
