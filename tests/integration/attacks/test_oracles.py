"""What happens in a hidden record changes nothing that others are told: no count, total, order, page or entity tag."""

from __future__ import annotations

import pytest

from tests.support.attacks.attack import Attack, differences, sent
from tests.support.attacks.hidden import measurement
from tests.support.attacks.names import CANARY
from tests.support.attacks.scene import CALLERS, FHIR, Scene
from tests.support.resources import patient

ASKED = (
    "/fhir/Observation",
    "/fhir/Observation?_summary=count",
    "/fhir/Observation?_total=accurate",
    "/fhir/Observation?_total=estimate",
    "/fhir/Observation?_count=1&_sort=-_lastUpdated",
    "/fhir/Observation?_count=200&_sort=-date",
    "/fhir/Observation?_sort=subject,-code",
    "/fhir/Observation?code=measured&_total=accurate",
    "/fhir/Observation?code:not=none&_total=accurate&_count=2",
    "/fhir/Observation?_lastUpdated=gt2020&_total=accurate",
    "/fhir/Patient?_sort=family&_total=accurate",
    "/fhir/Patient?_sort=-birthdate&_count=1",
    "/fhir/Patient?organization=clinic&_total=accurate",
    "/fhir/Patient?_has:Observation:patient:code=measured&_total=accurate",
    "/fhir/Practitioner?_id=stranger&_revinclude=*",
    "/fhir/Organization?_id=clinic&_revinclude=Patient:organization",
    "/fhir/Location?_id=ward&_revinclude=*",
    "/fhir?_type=Patient,Observation&_total=accurate",
    "/fhir?_content=measured&_total=accurate",
    "/fhir/Observation/_history?_count=3",
    "/fhir/_history?_count=3",
    "/fhir/_history?_since=2020-01-01T00:00:00Z",
    "/dicomweb/studies",
    "/dicomweb/series?limit=1",
    "/dicomweb/instances",
)


def live(scene: Scene) -> None:
    """Something is created, changed, changed back and deleted in the hidden record."""
    _, name = scene.targets(changes=True)
    id_ = name["measurement"]
    hidden = measurement(id_, name["patient"])
    newcomer = patient(
        id=f"{id_}-p",
        name=[{"family": f"Aaa {CANARY}"}],
        managingOrganization={"reference": "Organization/clinic"},
        generalPractitioner=[{"reference": "Practitioner/stranger"}],
    )
    scene.put(hidden | {"status": "amended"}, newcomer)
    scene.put(measurement(f"{id_}-o", f"{id_}-p"))
    scene.everything.delete(f"/fhir/Observation/{id_}", headers=FHIR).raise_for_status()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("address", ASKED)
def test_a_hidden_record_lives_unnoticed(scene: Scene, caller: str, address: str) -> None:
    """The same question has the same answer before and after."""
    asked = Attack("GET", address)
    before = sent(scene, scene.callers[caller], asked)
    live(scene)
    assert differences(before, sent(scene, scene.callers[caller], asked)) == []
    assert before.status == 200, before.body


def test_pages_are_their_callers_own(scene: Scene) -> None:
    """A link to a next page opens to another caller no more than a search of its own; one that is changed, nothing."""
    answer = scene.everything.get("/fhir/Observation?_count=1&_sort=_id")
    link = next(one["url"] for one in answer.json()["link"] if one["relation"] == "next")
    for name in CALLERS:
        page = sent(scene, scene.callers[name], Attack("GET", link))
        assert page.canaries == ()
        assert "hidq-0" not in page.body.replace("hidq-own", "")
    changed = link[:-6] + ("A" if link[-6] != "A" else "B") + link[-5:]
    assert scene.callers["patient app"].get(changed).status_code == 400


def test_a_link_of_one_search_opens_no_other(scene: Scene) -> None:
    """A cursor belongs to the search that it was made for."""
    answer = scene.everything.get("/fhir/Observation?_count=1")
    link = next(one["url"] for one in answer.json()["link"] if one["relation"] == "next")
    cursor = link.partition("_cursor=")[2].partition("&")[0]
    assert scene.callers["patient app"].get(f"/fhir/Patient?_cursor={cursor}").status_code == 400
