"""$validate and the review of writes with definitions from packages and from REST."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from healix_fhir.interaction.review import demands
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store import packages
from smart_auth.access import AccessContext
from tests.support.fhir_server import BASE, SYSTEM, Pool, do, of_patient, put, rows, serve, with_scope
from tests.support.operation import run
from tests.support.packages import package
from tests.support.profiles import EXAMPLE, URL, Json, profile
from tests.support.query_recorder import query_recorder
from tests.support.resources import observation, patient, transaction

T = TypeVar("T")
PHOTO = profile("Patient", {"id": "Patient.photo", "min": 1}, version="1.0.0")
GENDER = profile("Patient", {"id": "Patient.gender", "fixedCode": "male"}, version="9.0.0")
FINE = [("information", "informational", None)]
NO_PHOTO = [("error", "required", "Patient.photo")]
UNKNOWN = [("error", "not-found", "Patient")]
Issues = list[tuple[str, str, str | None]]


async def issues(server: Interactions, access: AccessContext, call: Invocation) -> Issues:
    """Severity, code and first place of what $validate answers."""
    outcome = decode(await run("validate", server, access, call))
    return [(i["severity"], i["code"], i.get("expression", [None])[0]) for i in outcome["issue"]]


def asked(resource: Json, *profiles: str, id_: str | None = None) -> Invocation:
    """A call of $validate with a resource."""
    return Invocation(tuple(("profile", url) for url in profiles), encode(resource), "Patient", id_)


def reviewing(url: str, setting: str, use: Callable[[Interactions], Awaitable[T]]) -> T:
    """Run `use` with a server whose writes are reviewed."""

    async def main() -> T:
        opened = await open_async_pool(url, size=4)
        try:
            return await use(Interactions(opened, (BASE,), wanted=demands(setting)))
        finally:
            await opened.close()

    return asyncio.run(main())


def refused(url: str, setting: str, use: Callable[[Interactions], Awaitable[Any]]) -> list[tuple[str, str]]:
    """Code and first place of the issues with which a write is refused as Unprocessable."""
    with pytest.raises(HealixError) as error:
        reviewing(url, setting, use)
    assert error.value.category is Category.UNPROCESSABLE
    return [(issue.code, issue.expression[0]) for issue in error.value.issues]


def install(pool: Pool, *bodies: Json, **more: Any) -> None:
    """Install a package."""
    do(pool, lambda: packages.install(package(*bodies, **more)))


@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_profiles_of_packages(pool: Pool, database_url: str) -> None:
    """A package that is installed counts at once, in a running server."""

    async def use(server: Interactions) -> list[Issues]:
        before = await issues(server, SYSTEM, asked(patient(), URL))
        install(pool, PHOTO)
        return [before, await issues(server, SYSTEM, asked(patient(), URL))]

    assert serve(database_url, use) == [UNKNOWN, NO_PHOTO]


def test_profiles_of_resources(pool: Pool, database_url: str) -> None:
    """What is written over REST counts at once, a change and a deletion too."""

    async def use(server: Interactions) -> list[Issues]:
        call = asked(patient(), URL)
        written = await server.create(SYSTEM, "StructureDefinition", encode(PHOTO))
        found = [await issues(server, SYSTEM, call)]
        id_ = written.stored.id
        await server.update(SYSTEM, "StructureDefinition", id_, encode({**GENDER, "id": id_}))
        found.append(await issues(server, SYSTEM, call))
        await server.delete(SYSTEM, "StructureDefinition", id_)
        return [*found, await issues(server, SYSTEM, call)]

    assert serve(database_url, use) == [NO_PHOTO, [("error", "value", "Patient.gender")], UNKNOWN]


def test_value_sets_and_code_systems_of_resources(pool: Pool, database_url: str) -> None:
    """A binding is answered by the ValueSet and CodeSystem that were written."""
    system, values = "http://example.org/colours", f"{EXAMPLE}/red"
    code = {"coding": [{"system": system, "code": "blue"}]}
    bound = profile("Patient", {"id": "Patient.maritalStatus", "binding": {
        "strength": "required", "valueSet": values}})  # fmt: skip
    tree = {"resourceType": "CodeSystem", "url": system, "status": "active", "content": "complete", "concept": [
        {"code": "red", "concept": [{"code": "crimson"}]}, {"code": "blue"}]}  # fmt: skip
    chosen = {"resourceType": "ValueSet", "url": values, "status": "active", "compose": {"include": [
        {"system": system, "filter": [{"property": "concept", "op": "is-a", "value": "red"}]}]}}  # fmt: skip
    put(pool, bound, "p")

    async def use(server: Interactions) -> list[Issues]:
        call = asked(patient(maritalStatus=code), URL)
        found = []
        for body in (None, chosen, tree):
            if body is not None:
                await server.create(SYSTEM, str(body["resourceType"]), encode(body))
            found.append([i for i in await issues(server, SYSTEM, call) if i[2] == "Patient.maritalStatus"])
        return found

    unsure = ("information", "not-supported", "Patient.maritalStatus")
    base = ("warning", "code-invalid", "Patient.maritalStatus")
    bad = ("error", "code-invalid", "Patient.maritalStatus")
    assert serve(database_url, use) == [[base, unsure], [base, unsure], [bad, base]]


def test_packages_come_before_resources(pool: Pool, database_url: str) -> None:
    """What an operator has installed is not replaced by what a client writes, but for a version that is named."""
    install(pool, PHOTO)
    put(pool, GENDER, "g")

    async def use(server: Interactions) -> list[Issues]:
        calls = [asked(patient(), canonical) for canonical in (URL, f"{URL}|9.0.0", f"{URL}|1.0.0")]
        return [await issues(server, SYSTEM, call) for call in calls]

    assert serve(database_url, use) == [NO_PHOTO, [("error", "value", "Patient.gender")], NO_PHOTO]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("system/Patient.c", UNKNOWN),
        ("system/Patient.c system/StructureDefinition.r", UNKNOWN),
        ("system/Patient.c system/StructureDefinition.r system/ValueSet.r system/CodeSystem.r", NO_PHOTO),
        ("system/*.cr", NO_PHOTO),
    ],
)
def test_who_may_not_read_definitions(pool: Pool, database_url: str, scope: str, expected: Issues) -> None:
    """A profile that the caller may not read answers like one that does not exist; what is installed is open."""
    put(pool, PHOTO, "p")
    install(pool, profile("Patient", {"id": "Patient.photo", "min": 1}, name="installed"))

    async def use(server: Interactions) -> list[Issues]:
        await issues(server, SYSTEM, asked(patient(), URL))  # known to the process
        calls = (asked(patient(), URL), asked(patient(), f"{EXAMPLE}/installed"))
        return [await issues(server, with_scope(scope), call) for call in calls]

    assert serve(database_url, use) == [expected, NO_PHOTO]


@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_modes_on_an_instance(pool: Pool, database_url: str) -> None:
    """With a resource it is an update, without one the stored resource is judged, with or without the mode."""
    install(pool, PHOTO)
    put(pool, patient(), "p")
    params = (("profile", URL),)

    async def use(server: Interactions) -> list[Issues]:
        return [
            await issues(server, SYSTEM, Invocation(params, b"", "Patient", "p")),
            await issues(server, SYSTEM, Invocation((("mode", "profile"), *params), b"", "Patient", "p")),
            await issues(server, SYSTEM, Invocation((("mode", "delete"),), b"", "Patient", "p")),
            await issues(server, SYSTEM, asked(patient(id="q"), id_="p")),
        ]

    assert serve(database_url, use) == [NO_PHOTO, NO_PHOTO, FINE, [("error", "value", "Patient.id")]]


def test_another_patients_resource(pool: Pool, database_url: str) -> None:
    """Judging what is stored answers for another patient's resource as for none."""
    put(pool, patient(), "p")
    put(pool, patient(), "q")
    bound = of_patient(pool, "p")
    for id_ in ("q", "none"):
        call = Invocation((("mode", "profile"),), b"", "Patient", id_)
        with pytest.raises(HealixError) as error:
            serve(database_url, lambda server, call=call: run("validate", server, bound, call))  # type: ignore[misc]
        assert error.value.category is Category.NOT_FOUND


def test_a_warm_judgement_costs_one_statement(pool: Pool, database_url: str) -> None:
    """Only whether definitions have changed is asked; nothing is fetched twice."""
    install(pool, PHOTO)

    async def use(server: Interactions) -> list[str]:
        await issues(server, SYSTEM, asked(patient(), URL))
        with query_recorder() as recorded:
            await issues(server, SYSTEM, asked(patient(), URL))
        return recorded

    assert len(serve(database_url, use)) == 1


TYPED = f"Patient={URL}"
OBSERVED = observation(dataAbsentReason={"text": "x"})


@pytest.mark.parametrize(
    ("setting", "resource", "expected"),
    [
        (TYPED, patient(), [("required", "Patient.photo")]),
        ("declared", patient(meta={"profile": [URL]}), [("required", "Patient.photo")]),
        ("declared", patient(meta={"profile": ["urn:none"]}), [("not-found", "Patient.meta.profile[0]")]),
        ("base", OBSERVED, [("invariant", "Observation"), ("invariant", "Observation")]),
        ("Observation=vitalsigns", observation(category=[{"text": "x"}]), [("required", "Observation.category")]),
    ],
)
@pytest.mark.spec("FHIR R4 http.html#create")
def test_writes_that_fail_the_review(
    pool: Pool, database_url: str, setting: str, resource: Json, expected: list[tuple[str, str]]
) -> None:
    """They are refused with every issue, and nothing is stored."""
    install(pool, PHOTO)
    type_name = resource["resourceType"]
    create = refused(database_url, setting, lambda server: server.create(SYSTEM, type_name, encode(resource)))
    assert create == expected
    named = encode({**resource, "id": "x"})
    assert refused(database_url, setting, lambda server: server.update(SYSTEM, type_name, "x", named)) == expected
    assert rows(pool, "SELECT count(*) FROM resource") == [(0,)]


@pytest.mark.parametrize("setting", ["", TYPED, "declared", "base"])
def test_writes_that_pass_the_review(pool: Pool, database_url: str, setting: str) -> None:
    """What meets the demands is stored, and so is what is of another type; deletions are not reviewed."""
    install(pool, PHOTO)
    good = patient(photo=[{"title": "x"}], meta={"profile": [URL]})

    async def use(server: Interactions) -> None:
        stored = (await server.create(SYSTEM, "Patient", encode(good))).stored
        await server.create(SYSTEM, "Observation", encode(observation()))
        await server.delete(SYSTEM, "Patient", stored.id)

    reviewing(database_url, setting, use)
    assert rows(pool, "SELECT count(*) FROM resource") == [(2,)]


def test_patches_are_reviewed(pool: Pool, database_url: str) -> None:
    """The resource that a patch makes must meet the demands; conditional ones too."""
    install(pool, PHOTO)
    put(pool, patient(photo=[{"title": "x"}]), "p")
    steps = b'[{"op": "remove", "path": "/photo"}]'
    media_type = "application/json-patch+json"
    assert refused(database_url, TYPED, lambda server: server.patch(SYSTEM, "Patient", "p", steps, media_type)) == [
        ("required", "Patient.photo")
    ]
    where = [("_id", "p")]
    assert refused(
        database_url, TYPED, lambda server: server.patch_where(SYSTEM, "Patient", where, steps, media_type)
    ) == [("required", "Patient.photo")]
    assert rows(pool, "SELECT version FROM resource") == [(1,)]


def test_conditional_writes_are_reviewed(pool: Pool, database_url: str) -> None:
    """What a conditional create or update would make must meet the demands."""
    install(pool, PHOTO)
    body, where = encode(patient()), [("_id", "none")]
    expected = [("required", "Patient.photo")]
    assert refused(database_url, TYPED, lambda s: s.create(SYSTEM, "Patient", body, "_id=none")) == expected
    assert refused(database_url, TYPED, lambda s: s.update_where(SYSTEM, "Patient", where, body)) == expected


def test_bundles_are_reviewed(pool: Pool, database_url: str) -> None:
    """A transaction is refused as a whole with the places of all entries, a batch entry by entry."""
    install(pool, PHOTO)
    bundle = transaction(patient(), observation(), patient())
    found = refused(database_url, TYPED, lambda server: server.bundle(SYSTEM, encode(bundle)))
    assert found == [("required", f"Bundle.entry[{n}].resource.photo") for n in (0, 2)]
    assert rows(pool, "SELECT count(*) FROM resource") == [(0,)]

    async def batch(server: Interactions) -> list[str]:
        page = await server.bundle(SYSTEM, encode({**bundle, "type": "batch"}))
        return [entry.response.status for entry in page.entries if entry.response]

    assert reviewing(database_url, TYPED, batch) == [
        "422 Unprocessable Entity", "201 Created", "422 Unprocessable Entity",
    ]  # fmt: skip


def test_claims_of_who_may_not_read_definitions(pool: Pool, database_url: str) -> None:
    """`declared` does not tell a caller which definitions there are; the operator's own demands use all."""
    put(pool, PHOTO, "p")
    writer = with_scope("system/Patient.c")
    body = encode(patient(meta={"profile": [URL]}))
    assert refused(database_url, "declared", lambda s: s.create(writer, "Patient", body)) == [
        ("not-found", "Patient.meta.profile[0]")
    ]
    assert refused(database_url, TYPED, lambda s: s.create(writer, "Patient", body)) == [("required", "Patient.photo")]


@pytest.mark.parametrize("setting", ["nonsense", "Patiens=x", "Patient=", "=x", "base declared"])
def test_wrong_settings(setting: str) -> None:
    """A word that the setting may not hold is refused by name."""
    with pytest.raises(HealixError, match="HEALIX_VALIDATE_PROFILES"):
        demands(setting)


def test_short_names() -> None:
    """A profile without a scheme is US Core's or R4's."""
    found = demands("Patient=us-core-patient, Patient=urn:x,Observation=bodyweight").profiles
    assert found == {
        "Patient": ("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient", "urn:x"),
        "Observation": ("http://hl7.org/fhir/StructureDefinition/bodyweight",),
    }
