"""The OperationDefinitions of what runs, as resources."""

from __future__ import annotations

from pathlib import Path

from healix_fhir.kernel.database import transaction
from healix_fhir.operation.publishing import definitions, publish, topics
from healix_fhir.operation.registry import ROWS
from tests.support.fhir_server import Pool, put, rows
from tests.support.live_server import live_server

BASES = ("http://healix.test/fhir",)
VERSIONS = "SELECT id, version FROM resource WHERE NOT deleted ORDER BY id"


def test_they_are_stored_once(pool: Pool) -> None:
    """A second publication changes nothing; what somebody has changed or deleted is put right again."""
    there = sorted({**definitions(), **topics()})
    assert transaction(pool, lambda: publish(BASES)) == len(there)
    assert transaction(pool, lambda: publish(BASES)) == 0
    assert rows(pool, VERSIONS) == [(id_, 1) for id_ in there]
    put(pool, definitions()[there[0]] | {"status": "retired"}, there[0])
    assert transaction(pool, lambda: publish(BASES)) == 1
    assert rows(pool, VERSIONS)[0] == (there[0], 3)


def test_they_are_found_by_what_the_capability_statement_names(pool: Pool, database_url: str, tmp_path: Path) -> None:
    """Each canonical url that the statement names leads to a definition, which can be read and searched for."""
    transaction(pool, lambda: publish(BASES))
    with (
        live_server(database_url, tmp_path) as server,
        server.client("system/OperationDefinition.rs") as reader,
    ):
        (rest,) = reader.get("/fhir/metadata").json()["rest"]
        named = {one["definition"] for one in rest["operation"]}
        named |= {one["definition"] for resource in rest["resource"] for one in resource.get("operation", ())}
        assert named == {row.definition.url for row in ROWS}
        for row in ROWS:
            (entry,) = reader.get("/fhir/OperationDefinition", params={"url": row.definition.url}).json()["entry"]
            assert entry["resource"]["code"] == row.name
            assert reader.get(f"/fhir/OperationDefinition/{row.definition.id}").json() == entry["resource"]
