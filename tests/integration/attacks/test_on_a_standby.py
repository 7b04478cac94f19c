"""Whose things are is asked on a hot standby, too: there statements run without those that write, which come after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from healix_fhir.kernel.standby import Standby
from tests.support.attacks.attack import Attack, findings, sent
from tests.support.attacks.bundles import bundles, entry
from tests.support.attacks.graphql import graphql
from tests.support.attacks.imaging import imaging
from tests.support.attacks.looking import looking
from tests.support.attacks.names import OWN_STUDY
from tests.support.attacks.records import documents, everything, lastn
from tests.support.attacks.scene import Scene, seeded
from tests.support.attacks.scene import scene as served
from tests.support.resources import composition
from tests.support.standby import posing_as_standby

ASKED = {
    "GraphQL": tuple(graphql()),
    "documents": tuple(one for one in documents() if not one.changes),
    "batches": tuple(one for one in bundles() if one.note.startswith("batch: GET")),
    "records": (*everything(), *lastn()),
    "histories": tuple(one for one in looking() if "_history" in one.path),
    "images": tuple(one for one in imaging() if "?" in one.path or "/metadata" in one.path),
}
"""What is read on a standby, by kind."""
OWN = (
    Attack("POST", "/fhir/$graphql", {"query": "{ ObservationList(patient: own) { id } }"}),
    Attack("POST", "/fhir/Patient/own/$graphql", {"query": "{ id }"}),
    Attack("GET", "/fhir/Composition/written/$document"),
    Attack("GET", "/fhir/Patient/own/$everything"),
    Attack("GET", "/fhir/Patient/own/_history"),
    Attack(
        "POST", "/fhir", {"resourceType": "Bundle", "type": "batch", "entry": [entry("GET", "Patient/own/_history")]}
    ),
    Attack("GET", "/dicomweb/studies"),
    Attack("GET", f"/dicomweb/studies/{OWN_STUDY}/metadata"),
)
"""What the patient app may ask for."""
PATIENT = {"reference": "Patient/own"}


@pytest.fixture(scope="module")
def reads() -> Iterator[list[bool]]:
    """Whether each use case that a standby was asked for was done there."""
    done: list[bool] = []
    read = Standby.read

    async def noted(self: Standby, *arguments: Any, **named: Any) -> Any:
        done.append(True)  # also of one that is refused there
        result = await read(self, *arguments, **named)
        if result is None:
            done[-1] = False
        return result

    with patch.object(Standby, "read", noted):
        yield done


@pytest.fixture(scope="module")
def scene(module_database_url: str, tmp_path_factory: pytest.TempPathFactory, reads: list[bool]) -> Iterator[Scene]:
    """A server with a hidden patient and a standby that has all."""
    assert reads == []
    directory = tmp_path_factory.mktemp("standby")
    tokens = seeded(module_database_url, directory)
    with (
        posing_as_standby(module_database_url) as standby,
        served(module_database_url, directory, tokens, standby) as made,
    ):
        yield made


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize("caller", ["patient app", "denied clinician"])
@pytest.mark.spec("FHIR R4 security.html#access-control")
def test_what_is_hidden_answers_like_what_is_missing(scene: Scene, reads: list[bool], kind: str, caller: str) -> None:
    """By status, headers, body and number of statements; and all that was asked of the standby was answered by it."""
    reads.clear()
    found = {str(one): findings(scene, scene.callers[caller], one) for one in ASKED[kind]}
    assert {name: told for name, told in found.items() if told} == {}
    assert set(reads) == {True}


def test_own_things_are_shown(scene: Scene, reads: list[bool]) -> None:
    """What the patient app may see it gets there: it is refused the others for what they are."""
    scene.put(composition("Observation/seen", id="written", subject=PATIENT, author=[{"display": "D"}]))
    reads.clear()
    answers = {str(one): sent(scene, scene.callers["patient app"], one) for one in OWN}
    assert {name: one.status for name, one in answers.items() if one.status != 200} == {}
    assert [name for name, one in answers.items() if "own" not in one.body and OWN_STUDY not in one.body] == []
    assert reads == [True] * len(OWN)


def test_a_token_without_the_scope(scene: Scene, reads: list[bool]) -> None:
    """The same patient's token for something else is refused, in a batch by the entry; nothing is told as shown."""
    with scene.server.client("patient/Appointment.rs", client="narrow", patient="own") as client:
        answers = {str(one): sent(scene, client, one) for one in OWN}
    shown = {name: one for name, one in answers.items() if one.status != 403 and '"status":"403' not in one.body}
    assert shown == {}
    told = "SELECT subtype FROM audit_event WHERE client = 'narrow' AND outcome = 0 AND subtype <> 'token'"
    assert scene.look.execute(told).fetchall() == []
    assert False not in reads


def test_no_token(scene: Scene, reads: list[bool]) -> None:
    """Who has no token is refused before a standby is asked."""
    reads.clear()
    with scene.server.client() as client:
        assert {sent(scene, client, one).status for one in OWN} == {401}
    assert reads == []
