"""Search parameters that a SearchParameter defines over hidden data.

The hidden resources are there before the parameters, so that their rows are of the run that makes these searchable.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.search.reindex import reindexed
from healix_fhir.store import reindexing
from tests.support.attacks.hidden import SYSTEM
from tests.support.parameters import search_parameter

BASES = ("Basic", "Encounter", "Observation", "Patient")


def _of_extension(code: str, type_: str, name: str, **elements: Any) -> dict[str, Any]:
    places = " | ".join(f"{base}.extension('{SYSTEM}:{name}').value" for base in BASES)
    return search_parameter(code, type_, places, *BASES, **elements)


PARAMETERS = (
    _of_extension("made-word", "string", "custom"),
    _of_extension("made-code", "token", "custom"),
    _of_extension("made-on", "date", "made"),
    _of_extension("made-to", "reference", "to", target=["Observation", "Patient", "Practitioner"]),
)


def indexed(pool: ConnectionPool[Connection[Row]], bases: Sequence[str]) -> None:
    """Do what is left of all runs, as the job worker does."""
    with pool.connection() as connection:
        under_way = connection.execute(
            "SELECT id FROM reindexing WHERE state = ANY(%s) ORDER BY id", (list(reindexing.UNDER_WAY),)
        ).fetchall()
    for (id_,) in under_way:
        for _ in reindexed(pool, id_, tuple(bases)):
            pass
