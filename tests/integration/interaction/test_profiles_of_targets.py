"""Profiles of references' targets among the entries of a transaction, and where judging is computed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from healix_fhir.interaction import definitions, judging, review
from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import encode
from healix_fhir.model.profile.compact import compact
from healix_fhir.model.profile.judge import judge
from tests.support.fhir_server import SYSTEM, Pool, put, rows
from tests.support.operation import run
from tests.support.profiles import EXAMPLE, URL, Json, profile
from tests.support.resources import observation, patient

from .test_profiles import PHOTO, TYPED, asked, install, refused, reviewing
from .test_transaction import URN, bundle, entry

OF = f"{EXAMPLE}/of-photographed"
SUBJECT = profile(
    "Observation",
    {"id": "Observation.subject", "type": [{"code": "Reference", "targetProfile": [URL]}]},
    name="of-photographed",
)
SETTING = f"Observation={OF}"
PICTURED = patient(photo=[{"title": "x"}])
GROUP: Json = {"resourceType": "Group", "type": "person", "actual": True}


def of(resource: Json, method: str = "POST", **more: Any) -> bytes:
    """A transaction of a resource, and an Observation before it whose subject it is."""
    type_name = resource["resourceType"]
    url = f"{type_name}/p" if method == "PUT" else type_name
    sent = {**resource, "id": "p"} if method == "PUT" else resource
    return bundle(
        entry("POST", "Observation", observation(URN.format(1))),
        entry(method, url, sent, fullUrl=URN.format(1), **more),
    )


@pytest.mark.spec("FHIR R4 elementdefinition-definitions.html#ElementDefinition.type.targetProfile")
@pytest.mark.parametrize(
    ("resource", "more", "right"),
    [
        (PICTURED, {}, True),
        (patient(), {}, False),
        (PICTURED, {"method": "PUT"}, True),
        (patient(), {"method": "PUT"}, False),
        (PICTURED, {"ifNoneExist": "family=Nobody"}, True),
        (patient(), {"ifNoneExist": "family=Nobody"}, False),
        (GROUP, {}, False),
    ],
)
def test_a_target_in_the_transaction_is_as_the_reference_wants_it(
    pool: Pool, database_url: str, resource: Json, more: dict[str, Any], right: bool
) -> None:
    """By type and profile, whichever entry comes first and however it is written."""
    install(pool, PHOTO, SUBJECT)
    sent = of(resource, **more)
    use: Callable[[Interactions], Awaitable[Any]] = lambda server: server.bundle(SYSTEM, sent)  # noqa: E731
    if right:
        reviewing(database_url, SETTING, use)
    else:
        assert refused(database_url, SETTING, use) == [("value", "Bundle.entry[0].resource.subject.reference")]
    assert rows(pool, "SELECT count(*) FROM resource") == [(2 if right else 0,)]


def test_a_target_that_waits_for_a_conditional_reference(pool: Pool, database_url: str) -> None:
    """Also where the target itself can be written only later than what refers to it."""
    install(pool, PHOTO, SUBJECT)
    put(pool, {"resourceType": "Organization", "name": "X", "identifier": [{"value": "x"}]}, "x")
    waiting = {"managingOrganization": {"reference": "Organization?identifier=x"}}
    assert refused(database_url, SETTING, lambda server: server.bundle(SYSTEM, of(patient(**waiting)))) == [
        ("value", "Bundle.entry[0].resource.subject.reference")
    ]
    reviewing(database_url, SETTING, lambda server: server.bundle(SYSTEM, of({**PICTURED, **waiting})))


def test_a_target_elsewhere_was_judged_when_it_was_written(pool: Pool, database_url: str) -> None:
    """What is stored already counts by its type alone, also beside entries of the same type."""
    install(pool, PHOTO, SUBJECT)
    put(pool, patient(), "stored")
    sent = bundle(
        entry("POST", "Observation", observation("Patient/stored")),
        entry("POST", "Patient", patient(), fullUrl=URN.format(1)),
    )
    reviewing(database_url, SETTING, lambda server: server.bundle(SYSTEM, sent))


STEPS = b'[{"op": "replace", "path": "/gender", "value": "male"}]'


@pytest.mark.parametrize(
    "use",
    [
        lambda server: run("validate", server, SYSTEM, asked(PICTURED, URL)),
        lambda server: server.create(SYSTEM, "Patient", encode(PICTURED)),
        lambda server: server.create(SYSTEM, "Patient", encode(PICTURED), "family=Nobody"),
        lambda server: server.patch(SYSTEM, "Patient", "p", STEPS, "application/json-patch+json"),
        lambda server: server.bundle(SYSTEM, of(PICTURED)),
    ],
    ids=["$validate", "create", "conditional create", "patch", "transaction"],
)
def test_definitions_are_decoded_and_used_in_threads(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[Interactions], Awaitable[Any]]
) -> None:
    """A large guide takes seconds to decode and compile: the event loop goes on serving others meanwhile."""
    install(pool, PHOTO)
    put(pool, PICTURED, "p")
    on_loop: dict[str, set[bool]] = {"compact": set(), "judge": set()}

    def recording(name: str, wrapped: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any) -> Any:
            on_loop[name].add(_is_event_loop())
            return wrapped(*args)

        return record

    monkeypatch.setattr(definitions, "compact", recording("compact", compact))
    for module in (judging, review):
        monkeypatch.setattr(module, "judge", recording("judge", judge))
    reviewing(database_url, TYPED, use)
    assert on_loop == {"compact": {False}, "judge": {False}}


def _is_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
