"""$stats over stored Observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, serve
from tests.support.operation import run
from tests.support.resources import LOINC, UCUM, observation, patient

Params = Sequence[tuple[str, str]]
WEIGHT, PANEL, SYSTOLIC = "29463-7", "85354-9", "8480-6"


def quantity(value: int, unit: str) -> dict[str, Any]:
    """A quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def concept(code: str) -> dict[str, Any]:
    """A LOINC code."""
    return {"coding": [{"system": LOINC, "code": code}]}


def stats(url: str, params: Params, body: bytes = b"", access: AccessContext = SYSTEM) -> list[dict[str, Any]]:
    """The resources of the answer."""

    async def use(server: Interactions) -> Any:
        return decode(await run("stats", server, access, Invocation(tuple(params), body, "Observation")))

    answer = serve(url, use)
    assert validate(answer, "Parameters") == ()
    return [part["resource"] for part in answer["parameter"]]


def figures(made: dict[str, Any]) -> dict[str, str]:
    """The values of a result by their codes, with units."""
    return {
        part["code"]["coding"][0]["code"]: f"{part['valueQuantity']['value']} {part['valueQuantity']['code']}"
        if "valueQuantity" in part
        else ""
        for part in made["component"]
    }


@pytest.fixture
def filled(pool: Pool) -> None:
    """Weights, blood pressures in a panel and a panel of members."""
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    for day, value in enumerate((quantity(70, "kg"), quantity(72, "kg"), quantity(74000, "g")), 1):
        at = f"2024-01-0{day}T10:00:00Z"
        put(pool, observation("Patient/p", code=concept(WEIGHT), effectiveDateTime=at, valueQuantity=value), f"w{day}")
    wrong = {"code": concept(WEIGHT), "effectiveDateTime": "2024-01-02"}
    put(pool, observation("Patient/p", status="entered-in-error", valueQuantity=quantity(900, "kg"), **wrong), "error")
    no_value = {k: v for k, v in observation("Patient/p", **wrong).items() if k != "valueQuantity"}
    put(pool, no_value, "none")
    put(pool, observation("Patient/q", code=concept(WEIGHT), valueQuantity=quantity(50, "kg")), "other")
    parts = [
        {"code": concept(code), "valueQuantity": quantity(v, "mm[Hg]")} for code, v in ((SYSTOLIC, 120), ("8462-4", 80))
    ]
    panel = {
        k: v for k, v in observation("Patient/p", code=concept(PANEL), component=parts).items() if k != "valueQuantity"
    }
    put(pool, observation("Patient/p", code=concept("8867-4"), valueQuantity=quantity(60, "/min")), "member")
    put(pool, panel | {"hasMember": [{"reference": "Observation/member"}]}, "panel")


@pytest.mark.usefixtures("filled")
@pytest.mark.spec("FHIR R4 observation-operation-stats.html")
def test_a_series(database_url: str) -> None:
    """Units that can be compared are one series; what is in error is none of it, what has no value is counted."""
    asked = [("subject", "Patient/p"), ("code", WEIGHT), ("system", LOINC), ("statistic", "average,count,total-count")]
    (made,) = stats(database_url, [*asked, ("statistic", "regression")])
    assert figures(made) == {"average": "72000 g", "count": "3 1", "total-count": "4 1", "regression": "70000 g"}
    assert made["effectivePeriod"] == {"start": "2024-01-01T10:00:00.000Z", "end": "2024-01-03T10:00:00.000Z"}
    period = {"name": "period", "valuePeriod": {"end": "2024-01-02"}}
    (made,) = stats(database_url, asked, encode({"resourceType": "Parameters", "parameter": [period]}))
    assert figures(made) == {"average": "71 kg", "count": "2 1", "total-count": "3 1"}
    (made,) = stats(database_url, [*asked, ("duration", "1")])
    assert figures(made) == {"average": "", "count": "0 1", "total-count": "0 1"}


@pytest.mark.usefixtures("filled")
@pytest.mark.spec("FHIR R4 observation-operation-stats.html")
def test_panels_and_components(database_url: str) -> None:
    """A component counts by its own code; a panel brings all of its components and members, each by its code."""
    asked = [("subject", "Patient/p"), ("statistic", "maximum")]
    (made,) = stats(database_url, [*asked, ("code", SYSTOLIC)])
    assert figures(made) == {"maximum": "120 mm[Hg]"}
    found = {
        one["code"]["coding"][0]["code"]: figures(one)["maximum"]
        for one in stats(database_url, [*asked, ("code", PANEL)])
    }
    assert found == {PANEL: "", SYSTOLIC: "120 mm[Hg]", "8462-4": "80 mm[Hg]", "8867-4": "60 /min"}


@pytest.mark.usefixtures("filled")
def test_the_sources_come_along(database_url: str) -> None:
    """With `include`, up to `limit`."""
    asked = [("subject", "Patient/p"), ("statistic", "count"), ("code", WEIGHT), ("include", "true")]
    assert [one.get("id") for one in stats(database_url, asked)] == [None, "w3", "w2", "none", "w1"]
    assert len(stats(database_url, [*asked, ("limit", "1")])) == 2


@pytest.mark.usefixtures("filled")
def test_another_patient_has_nothing(database_url: str, pool: Pool) -> None:
    """To who does not see a subject its statistics are those of nobody."""
    bound = of_patient(pool, "q")
    for subject in ("Patient/p", "Patient/none"):
        asked = [("subject", subject), ("statistic", "total-count"), ("code", WEIGHT), ("include", "true")]
        (made,) = stats(database_url, asked, access=bound)
        assert figures(made) == {"total-count": "0 1"}


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ([("code", "x"), ("statistic", "count")], "'subject'"),
        ([("subject", "Patient/p"), ("statistic", "count")], "code"),
        ([("subject", "Patient/p"), ("code", "x")], "'statistic'"),
        ([("subject", "Patient/p"), ("code", "x"), ("statistic", "mode")], "'mode'"),
        ([("subject", "Patient/p"), ("code", "x"), ("statistic", "count"), ("duration", "0")], "duration"),
        ([("subject", "Patient/p"), ("code", "x"), ("statistic", "count"), ("period", "2024")], "'period'"),
        ([("subject", "Patient/p"), ("code", "x"), ("statistic", "count"), ("limit", "0")], "'limit'"),
    ],
)
def test_refusals(database_url: str, params: Params, named: str) -> None:
    """What is no call is refused, and named."""
    with pytest.raises(HealixError) as refused:
        stats(database_url, params)
    assert refused.value.category is Category.INVALID
    assert named in refused.value.message
