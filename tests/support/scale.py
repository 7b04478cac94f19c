"""Many Observations and Patients with their index rows, made by the database itself, for plans and benchmarks."""

from __future__ import annotations

import psycopg

from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search import tokens
from tests.support.search import Clinic

LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CODES = tuple(f"code-{n}" for n in range(10))
RARE = "code-rare"
"""The code of one Observation in ten thousand, beside its other one."""
BODY = b'{"resourceType":"Observation","status":"final"}' + b" " * 900

_PATIENTS = """WITH made AS (
  INSERT INTO patient_key (id) SELECT 'p' || n FROM generate_series(1, %(patients)s) n RETURNING pat, id),
stored AS (
  INSERT INTO resource (type, id, version, updated, method, pat, body)
  SELECT %(patient)s, id, 1, now(), 'PUT', pat, %(body)s FROM made RETURNING pk, pat, id)
INSERT INTO index_string (param, folded, exact, pat, pk)
SELECT %(family)s, md5(id), md5(id), pat, pk FROM stored"""

_OBSERVATIONS = """WITH stored AS (
  INSERT INTO resource (type, id, version, updated, method, pat, d, d_hi, toks, body)
  SELECT %(observation)s, 'o' || n, 1, now(), 'PUT', k.pat, m.d, m.d + interval '1 second',
         ARRAY[(%(h)s::bigint[])[c.code], (%(in_system)s::bigint[])[c.code], %(category)s], %(body)s
  FROM generate_series(1, %(observations)s) n
  JOIN patient_key k ON k.id = 'p' || (1 + n %% %(patients)s)
  CROSS JOIN LATERAL (SELECT 1 + n / %(patients)s %% 10 AS code) c
  CROSS JOIN LATERAL (
    SELECT timestamptz '2015-01-01 00:00Z' + (n * 104729::bigint %% 315360000) * interval '1 second' AS d) m
  RETURNING pk, pat, d, d_hi, toks),
token AS (
  INSERT INTO index_token (h, sys, pat, d, d_hi, pk)
  SELECT t.h, t.sys, s.pat, s.d, s.d_hi, s.pk FROM stored s
  CROSS JOIN LATERAL (VALUES (s.toks[1], %(loinc)s::bigint), (s.toks[3], %(category_system)s::bigint),
                             (CASE WHEN s.pk %% 10000 = 0 THEN %(rare)s::bigint END, %(loinc)s::bigint)) t (h, sys)
  WHERE t.h IS NOT NULL),
code AS (
  INSERT INTO index_code (param, system, code, key, h, sys)
  SELECT %(code)s, %(loinc_url)s, c.name, c.key, c.h, %(loinc)s
  FROM unnest(%(names)s::text[], %(in_system)s::bigint[], %(h)s::bigint[]) c (name, key, h))
INSERT INTO index_reference (param, target_type, target, pat, d, pk)
SELECT x.param, %(patient)s, k.id, s.pat, s.d, s.pk FROM stored s JOIN patient_key k ON k.pat = s.pat
CROSS JOIN unnest(%(links)s::int[]) x (param) WHERE x.param <> %(performer)s OR s.pk / %(patients)s %% 10 = 0"""


_PAST = """WITH before AS (
  INSERT INTO resource_history (type, id, version, updated, until, pk, pat, deleted, method, body)
  SELECT type, id, 1, moment - interval '1 year', moment, pk, pat, false, 'PUT', '' FROM resource
  CROSS JOIN LATERAL (SELECT timestamptz '2020-01-01 00:00Z' + (pk * 104729 % 31536000) * interval '1 second' AS moment)
  RETURNING type, id, until)
UPDATE resource r SET version = 2, updated = b.until FROM before b WHERE b.type = r.type AND b.id = r.id"""


def fill_past(clinic: Clinic) -> None:
    """Give every resource a version before its own, made in 2019, and a time in 2020; then ANALYZE."""
    clinic.run(_PAST)
    with clinic.pool.connection() as connection:
        for table in ("resource", "resource_history"):
            connection.execute(psycopg.sql.SQL("VACUUM (ANALYZE) {}").format(psycopg.sql.Identifier(table)))


def fill(clinic: Clinic, *, patients: int, observations: int) -> None:
    """Store `patients` and `observations`, spread evenly over patients, ten codes and ten years; then ANALYZE.

    One Observation in ten has its patient as performer too.
    """
    known = search_parameters("Observation")
    code, category = known["code"].id, known["category"].id
    params = {
        "patients": patients,
        "observations": observations,
        "patient": TYPE_ID["Patient"],
        "observation": TYPE_ID["Observation"],
        "family": search_parameters("Patient")["family"].id,
        "links": [known["subject"].id, known["patient"].id, known["performer"].id],
        "performer": known["performer"].id,
        "h": [tokens.any_system(code, name) for name in CODES],
        "in_system": [tokens.in_system(code, LOINC, name) for name in CODES],
        "code": code,
        "names": list(CODES),
        "loinc_url": LOINC,
        "rare": tokens.any_system(code, RARE),
        "category": tokens.any_system(category, "vital-signs"),
        "loinc": tokens.of_system(LOINC, ""),
        "category_system": tokens.of_system(CATEGORY, ""),
        "body": BODY,
    }
    with clinic.pool.connection() as connection:
        connection.execute(_PATIENTS, params)
        connection.execute(_OBSERVATIONS, params)
        for table in ("resource", "index_token", "index_reference", "index_string", "patient_key", "compartment"):
            connection.execute(psycopg.sql.SQL("VACUUM (ANALYZE) {}").format(psycopg.sql.Identifier(table)))
