"""Custom search parameters in tests: defined over a store without HTTP, known and indexed when a test says so."""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import transaction
from healix_fhir.model import custom
from healix_fhir.search.reindex import reindexed
from healix_fhir.store import reindexing
from healix_fhir.store.commit import commit
from healix_fhir.store.custom_parameters import load
from healix_fhir.store.stored import Method
from tests.support.search import BASE, EVERYONE, Clinic

Json = dict[str, Any]


def search_parameter(code: str, type_: str, expression: str, *bases: str, **elements: Any) -> Json:
    """An active SearchParameter whose id is its code; `elements` replace or add."""
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"http://example.org/fhir/SearchParameter/{code}",
        "name": code.replace("-", "_"),
        "status": "active",
        "description": "For a test.",
        "code": code,
        "base": list(bases),
        "type": type_,
        "expression": expression,
        **elements,
    }


def define(clinic: Clinic, *parameters: Json) -> None:
    """Store SearchParameters, and know of them."""
    changes = [change(Method.PUT, one, "SearchParameter", one["id"], (BASE,)) for one in parameters]
    transaction(clinic.pool, lambda: commit(EVERYONE, changes))
    know(clinic)


def know(clinic: Clinic) -> None:
    """Know what there is, as a process does that is told."""
    custom.install(transaction(clinic.pool, load))


def index(clinic: Clinic) -> None:
    """Do what is left of all runs, and know what can then be searched by."""
    for (id_,) in clinic.run(
        "SELECT id FROM reindexing WHERE state = ANY(%s) ORDER BY id", (list(reindexing.UNDER_WAY),)
    ):
        for _ in reindexed(clinic.pool, id_, (BASE,)):
            pass
    know(clinic)
