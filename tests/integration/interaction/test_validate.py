"""$validate on one resource."""

from __future__ import annotations

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from tests.support.fhir_server import SYSTEM, Pool, body, of_patient, put, rows, serve
from tests.support.operation import run
from tests.support.resources import patient


def test_an_update_or_deletion_is_judged_and_not_made(pool: Pool, database_url: str) -> None:
    """The instance level judges an update, or with mode=delete a deletion; the resource stays as it was."""
    put(pool, patient(), "p")

    async def use(server: Interactions) -> list[str]:
        calls = [
            Invocation((), body(patient(), id="p", active=False), "Patient", "p"),
            Invocation((), body(patient(), id="q"), "Patient", "p"),
            Invocation((("mode", "delete"),), b"", "Patient", "p"),
        ]
        outcomes = [decode(await run("validate", server, SYSTEM, call)) for call in calls]
        return [outcome["issue"][0]["severity"] for outcome in outcomes]

    assert serve(database_url, use) == ["information", "error", "information"]
    assert rows(pool, "SELECT version, deleted FROM resource") == [(1, False)]


def test_what_the_caller_does_not_see_is_not_there(pool: Pool, database_url: str) -> None:
    """Validating against another patient's resource answers as a read of it would."""
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    bound = of_patient(pool, "p")
    for id_ in ("q", "none"):
        call = Invocation((), body(patient(), id=id_), "Patient", id_)
        with pytest.raises(HealixError) as error:
            serve(database_url, lambda server, call=call: run("validate", server, bound, call))  # type: ignore[misc]
        assert error.value.category is Category.NOT_FOUND
