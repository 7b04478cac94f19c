"""The TerminologyCapabilities: what it says is what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate
from healix_fhir.operation.capabilities import capabilities
from healix_fhir.operation.registry import OPERATIONS
from healix_fhir.store import packages
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.format import Wanted
from healix_fhir.terminology.loading.formats import FORMATS
from healix_fhir.terminology.loading.load import load
from tests.support.code_systems import code_system
from tests.support.distributions import CSV, folder
from tests.support.fhir_server import Pool, do, put, serve
from tests.support.packages import package

Json = dict[str, Any]
GENDER = "http://hl7.org/fhir/administrative-gender"


def statement(url: str, *params: tuple[str, str]) -> Json:
    """What the server says of its terminology."""

    async def use(server: Interactions) -> bytes:
        return await capabilities(server, [("mode", "terminology"), *params])

    told: Json = decode(serve(url, use))
    return told


def versions(told: Json, url: str) -> list[tuple[str, bool]] | None:
    """The versions of a code system, and which one is meant without one; None where it is not named."""
    found = next((one for one in told["codeSystem"] if one["uri"] == url), None)
    return None if found is None else [(one["code"], one["isDefault"]) for one in found.get("version", ())]


@pytest.mark.spec("FHIR R4 terminologycapabilities.html")
def test_what_there_is_without_anything_loaded(database_url: str) -> None:
    """It is valid, and names R4's own code systems and those with a grammar, not those without codes here."""
    told = statement(database_url)
    assert validate(told, "TerminologyCapabilities") == ()
    assert (told["kind"], told["implementation"]["url"]) == ("instance", "http://healix.test/fhir")
    assert versions(told, GENDER) == [("4.0.1", True)]
    assert versions(told, "http://unitsofmeasure.org") == []
    assert versions(told, "http://snomed.info/sct") is None


def test_what_is_loaded_and_installed(pool: Pool, database_url: str, tmp_path: Path) -> None:
    """What an operator brings is named with all versions, what somebody wrote is not."""
    for number in ("9", "10"):
        files = Distribution(folder(tmp_path / number, CSV))
        load(pool, FORMATS["csv"].read(files, Wanted("urn:mine", number)), number, lambda _size: None)
    do(pool, lambda: packages.install(package(code_system("a", url="urn:packed", version="1"))))
    put(pool, code_system("a", url="urn:secret"), "c")
    told = statement(database_url)
    assert versions(told, "urn:mine") == [("9", False), ("10", True)]
    assert versions(told, "urn:packed") == [("1", True)]
    assert versions(told, "urn:secret") is None
    assert next(one["subsumption"] for one in told["codeSystem"] if one["uri"] == "urn:mine")


def test_what_runs(database_url: str) -> None:
    """The parameters of expansions are those that $expand takes, and what does not run is not named."""
    told = statement(database_url)
    (expand,) = OPERATIONS["expand"]
    named = {one["name"] for one in told["expansion"]["parameter"]}
    assert named == expand.definition.inputs.keys() - expand.refused
    assert ("translation" in told, "closure" in told) == ("translate" in OPERATIONS, "closure" in OPERATIONS)


def test_parts_of_it(database_url: str) -> None:
    """A part can be asked for, as of every resource."""
    assert "expansion" not in statement(database_url, ("_elements", "status"))
