"""Installed packages in the database."""

from __future__ import annotations

from healix_fhir.model.json import decode
from healix_fhir.store import packages
from tests.support.fhir_server import Pool, do, rows
from tests.support.packages import package
from tests.support.profiles import profile

FIRST = profile("Patient", {"id": "Patient.photo", "min": 1}, version="1.0.0")
SECOND = profile("Patient", {"id": "Patient.photo", "min": 1}, name="second", version="1.0.0")


def test_install_and_look_up(pool: Pool) -> None:
    """A definition is found by its url with the package that it came in."""
    made = package(FIRST, SECOND, needs=("hl7.fhir.r4.core#4.0.1",))
    assert do(pool, lambda: packages.install(made)) == "installed"
    (found,) = do(pool, lambda: packages.look_up([FIRST["url"], "urn:none"], ["StructureDefinition"]))
    assert decode(found.body) == FIRST
    assert (found.package, found.package_version, found.dependencies) == (
        "example.guide", "1.0.0", ("hl7.fhir.r4.core#4.0.1",),
    )  # fmt: skip
    assert do(pool, lambda: packages.look_up([FIRST["url"]], ["ValueSet"])) == []


def test_installing_again(pool: Pool) -> None:
    """The same file changes nothing; another one of the same version replaces it; versions stand side by side."""
    do(pool, lambda: packages.install(package(FIRST)))
    assert do(pool, lambda: packages.install(package(FIRST))) == "unchanged"
    assert do(pool, lambda: packages.install(package(FIRST, SECOND))) == "replaced"
    assert do(pool, lambda: packages.install(package(FIRST, version="2.0.0"))) == "installed"
    listed = do(pool, packages.listed)
    assert [(one.name, one.version, one.definitions) for one in listed] == [
        ("example.guide", "2.0.0", 1),
        ("example.guide", "1.0.0", 2),
    ]
    assert rows(pool, "SELECT count(*) FROM definition") == [(3,)]
