"""UPS-RS over HTTP: searching the worklist by private attributes.

Spec: PS3.5 7.8.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from dicomweb.workitem.indexing import indexed
from healix_fhir.kernel.database import open_pool
from tests.integration.dicomweb_api.test_workitem_search import ROOT, found
from tests.support.live_server import LiveServer, live_server
from tests.support.workitems import workitem

PRIVATE = {
    "00090010": {"vr": "LO", "Value": ["OTHER.MAKER"]},
    "00090011": {"vr": "LO", "Value": ["ACME 1.1"]},
    "00091001": {"vr": "LO", "Value": ["not this"]},
    "00091101": {"vr": "LO", "Value": ["Lung, left"]},
    "00091102": {"vr": "DS", "Value": [1.5]},
    "00091103": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jané"}]},
    "00091104": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["P9"]}}]},
}


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a workitem that has attributes of two makers, each in a block of its own."""
    with live_server(module_database_url, tmp_path_factory.mktemp("worklist")) as running:
        with running.client("system/Task.c") as client:
            item = workitem(PatientID="private") | PRIVATE
            assert client.post(f"/dicomweb/workitems?{ROOT}.9", json=item).status_code == 201
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """Who searches."""
    with server.client("system/Task.s") as opened:
        yield opened


@pytest.mark.spec("PS3.18 8.3.4.1")
@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("0009xx01[ACME 1.1]=Lung, left", True),
        ("0009xx01[ACME 1.1]=Lung*", True),
        ("0009xx01[OTHER.MAKER]=not this", True),
        ("0009xx01[OTHER.MAKER]=Lung*", False),
        ("0009xx02[ACME 1.1]=1.50", True),
        ("0009xx02[ACME 1.1]=1.51", False),
        ("0009xx03[ACME 1.1]=doe^jane", True),
        ("0009xx03[ACME 1.1]=Doe*", True),
        ("0009xx04[ACME 1.1].CodeValue=P9", True),
        ("00091001=Lung, left&00090010=ACME 1.1", True),
        ("00091001=Lung, left&00090010=OTHER.MAKER", False),
        ("0009xx01[NOBODY]=Lung, left", False),
    ],
)
def test_private_attributes(client: httpx.Client, query: str, finds: bool) -> None:
    """They are found by group, element and creator, in whatever block they are, as texts, numbers and names."""
    assert found(client, f"PatientID=private&{query}") == (["9"] if finds else [])


@pytest.mark.spec("PS3.18 11.9")
def test_private_attributes_are_returned_with_their_creators(client: httpx.Client) -> None:
    """What is matched, and what is asked for, comes with the element that reserves its block."""
    (one,) = client.get("/dicomweb/workitems?PatientID=private&includefield=0009xx02[ACME 1.1]").json()
    assert {tag for tag in one if tag.startswith("0009")} == {"00090011", "00091102"}
    (other,) = client.get("/dicomweb/workitems?PatientID=private&0009xx01[OTHER.MAKER]=not this").json()
    assert {tag for tag in other if tag.startswith("0009")} == {"00090010", "00091001"}


def test_a_private_attribute_without_its_creator_is_refused(client: httpx.Client) -> None:
    """Its tag alone says nothing."""
    answer = client.get("/dicomweb/workitems?00091001=x")
    assert (answer.status_code, "needs its creator" in answer.text) == (400, True)


BEFORE = {"0009xx01[ACME 1.1]": "00091101", "0009xx03[ACME 1.1]": "00091103", "0009xx04[ACME 1.1]": "00091104"}
"""Paths of private attributes as they were before these were searched."""
OLD = "OLDMAKER"


def test_items_that_were_there_before_are_indexed(server: LiveServer, client: httpx.Client) -> None:
    """What was written before private attributes were searched is found by them too, once a job has looked at it."""
    with server.client("system/Task.c") as creator:
        for number in ("90", "91"):
            item = workitem(PatientID=OLD) | PRIVATE
            assert creator.post(f"/dicomweb/workitems?{ROOT}.{number}", json=item).status_code == 201
    with psycopg.connect(server.settings.database_url) as connection:
        of_old = "workitem IN (SELECT pk FROM workitem WHERE patient_id = %s)"
        for now, then in BEFORE.items():
            connection.execute(f"UPDATE workitem_key SET path = replace(path, %s, %s) WHERE {of_old}", (now, then, OLD))
        connection.execute("UPDATE workitem SET marks = '{}' WHERE patient_id = %s", (OLD,))
    asked = [f"0009xx01[ACME 1.1]=Lung, left&00100020={OLD}", f"0009xx04[ACME 1.1].CodeValue=P9&PatientID={OLD}"]
    assert [found(client, query) for query in asked] == [[], []]
    with open_pool(server.settings.database_url, size=1) as pool:
        assert list(indexed(pool)) == [2]
        assert not list(indexed(pool))
    assert [sorted(found(client, query)) for query in asked] == [["90", "91"]] * 2
