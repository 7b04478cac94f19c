"""Changes of a site go to a central server: each version, in order, once."""

from __future__ import annotations

from healix_fhir.care.sync.waiting import MOST
from tests.integration.sync.conftest import NAME, Central, Site, patient, plain, reading


def test_what_is_there_and_what_changes_goes_up(central: Central, site: Site) -> None:
    """What a site had, then each version that it makes, and deletions: the same versions in the same order."""
    site.write(patient("a-1"), reading("a-o", "a-1"))
    site.events()
    site.connect(central.token)
    site.sync()
    assert central.versions("Patient/a-1") == [("PUT", patient("a-1"))]
    site.write(patient("a-1", "Roe"), patient("a-1", "Poe"), reading("a-o2", "a-1"), reading("a-o", "a-1", 71))
    site.delete("Observation", "a-o2")
    site.write(reading("a-o2", "a-1", 80))
    site.sync()
    families = [found["name"][0]["family"] for _, found in central.versions("Patient/a-1") if found]
    assert families == ["Doe", "Roe", "Poe"]
    assert central.versions("Observation/a-o") == [("PUT", reading("a-o", "a-1")), ("PUT", reading("a-o", "a-1", 71))]
    assert [method for method, _ in central.versions("Observation/a-o2")] == ["PUT", "DELETE", "PUT"]
    source = central.read("Patient/a-1")["meta"]["source"]
    assert source == "http://site.example/fhir/Patient/a-1/_history/3"
    now = site.standing()
    assert (now.state, now.behind, now.sent, now.conflicts) == ("level", 0, 8, 0)
    assert now.success is not None
    rows = site.sql(
        "SELECT patient, entity, query, outcome FROM audit_event WHERE subtype = 'synchronize' ORDER BY seq"
    )
    assert len(rows) == 8
    assert rows[0] == ("a-1", "Patient/a-1", f"version 1 to {NAME}", 0)


def test_many_go_up_in_batches(central: Central, site: Site) -> None:
    """More than one request takes, as it was; nothing of what each server has for itself, or of other types."""
    site.connect(central.token, types=("Patient", "Observation"))
    own = {
        "resourceType": "Subscription",
        "id": "b-s",
        "status": "off",
        "reason": "r",
        "criteria": "Patient?",
        "channel": {"type": "websocket"},
    }
    organization = {"resourceType": "Organization", "id": "b-o", "name": "Clinic"}
    readings = [reading(f"b-{n}", "b-p", n) for n in range(MOST + 5)]
    site.write(own, organization, patient("b-p"), *readings)
    site.sync()
    assert central.http.get("/fhir/Observation", params={"subject": "Patient/b-p", "_count": "0"}).json()["total"] == (
        MOST + 5
    )
    assert [plain(central.read(f"Observation/b-{n}")) for n in (0, MOST + 4)] == [readings[0], readings[-1]]
    for url in ("Subscription/b-s", "Organization/b-o"):
        assert central.http.get(f"/fhir/{url}").status_code == 404
    assert site.standing().sent == MOST + 6
