"""$lastn over the search of Observations."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, serve
from tests.support.operation import run
from tests.support.resources import LOINC, observation, patient


def lastn(url: str, *params: tuple[str, str], access: AccessContext = SYSTEM) -> list[str]:
    """The ids that $lastn finds."""

    async def use(server: Interactions) -> Any:
        return decode(await run("lastn", server, access, Invocation(params, b"", "Observation", method="GET")))

    bundle = serve(url, use)
    assert (bundle["type"], bundle["total"]) == ("searchset", len(bundle.get("entry", ())))
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


@pytest.fixture
def filled(pool: Pool) -> None:
    """Heart rates and weights of two patients."""
    weight = {"coding": [{"system": LOINC, "code": "29463-7"}]}
    for who in ("p", "q"):
        put(pool, patient(), who)
        for day in (1, 2, 3):
            at = f"2024-01-0{day}T10:00:00Z"
            put(pool, observation(f"Patient/{who}", effectiveDateTime=at), f"rate-{who}-{day}")
            put(pool, observation(f"Patient/{who}", effectiveDateTime=at, code=weight), f"weight-{who}-{day}")
    put(pool, observation("Patient/p", effectiveDateTime="2024-01-03T10:00:00Z"), "rate-p-again")


@pytest.mark.usefixtures("filled")
@pytest.mark.spec("FHIR R4 observation-operation-lastn.html")
def test_the_newest_of_each_code(database_url: str) -> None:
    """Narrowed by any search parameter, for each subject by itself."""
    both = {"rate-p-3", "rate-p-again", "weight-p-3"}
    assert set(lastn(database_url, ("patient", "p"), ("category", "vital-signs"))) == both
    assert lastn(database_url, ("subject", "Patient/p"), ("code", "29463-7"), ("max", "2")) == [
        "weight-p-3",
        "weight-p-2",
    ]
    assert lastn(database_url, ("patient", "p,q"), ("code", "29463-7"), ("date", "lt2024-01-02")) == [
        "weight-q-1",
        "weight-p-1",
    ]
    assert lastn(database_url, ("patient", "nobody"), ("code", "29463-7")) == []


@pytest.mark.usefixtures("filled")
def test_a_caller_bound_to_one_patient_needs_to_name_none(database_url: str, pool: Pool) -> None:
    """It sees that patient's observations and no others, whomever it names."""
    bound = of_patient(pool, "q")
    assert lastn(database_url, ("code", "29463-7"), access=bound) == ["weight-q-3"]
    assert lastn(database_url, ("patient", "p"), ("code", "29463-7"), access=bound) == []


@pytest.mark.parametrize(
    ("params", "category", "named"),
    [
        ([("code", "x")], Category.INVALID, "'patient' or 'subject'"),
        ([("patient", "p")], Category.INVALID, "'category'"),
        ([("patient", "p"), ("code", "x"), ("max", "0")], Category.INVALID, "'max'"),
        ([("patient", "p"), ("code", "x"), ("max", "1"), ("max", "2")], Category.INVALID, "'max'"),
        ([("patient", "p"), ("code", "x"), ("nope", "1")], Category.INVALID, "nope"),
        ([("patient", "p"), ("code:in", "http://example.org/none")], Category.INVALID, "http://example.org/none"),
        ([("patient", "p"), ("code", "x"), ("_sort", "date")], Category.INVALID, "'_sort'"),
        ([("patient", "p"), ("code", "x"), ("_include", "*")], Category.INVALID, "'_include'"),
    ],
)
def test_refusals(database_url: str, params: list[tuple[str, str]], category: Category, named: str) -> None:
    """What is no call is refused, and named."""
    with pytest.raises(HealixError) as refused:
        lastn(database_url, *params)
    assert refused.value.category is category
    assert named in refused.value.message
