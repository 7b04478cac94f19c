"""Images of a site go to a central server: each instance once, after the Patient that they are of."""

from __future__ import annotations

from functools import partial
from typing import Any

import psycopg

from dicomweb.errand.queue import Kind
from dicomweb.errand.work import worker
from dicomweb.study.delete import delete
from dicomweb.study.expire import EXPIRED
from dicomweb.study.restore import restore
from healix_fhir.care.sync.errand import syncer
from healix_fhir.kernel.database import run, transaction
from smart_auth.store import create_token
from tests.integration.sync.conftest import BASE, Central, Site, patient
from tests.support.cutting import Cut, Proxy
from tests.support.dicom import ct, data_set, part10, uid
from tests.support.serve import wait_until
from tests.support.study import SYSTEM

PIXELS = 64


def images(study: int, count: int, **elements: Any) -> list[bytes]:
    """Files of a study."""
    return [ct(study, 1, n, size=PIXELS, **elements) for n in range(1, count + 1)]


def there(central: Central, study: int) -> list[str]:
    """The instances of a study that the central server has."""
    found = central.http.get(f"/dicomweb/studies/{uid(study)}/instances")
    return sorted(one["00080018"]["Value"][0] for one in found.json()) if found.status_code == 200 else []


def file_of(central: Central, study: int, instance: int) -> bytes:
    """An instance as the central server gives it back, in its one part."""
    url = f"/dicomweb/studies/{uid(study)}/series/{uid(study, 1)}/instances/{uid(study, 1, instance)}"
    found = central.http.get(url, headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    return found.content


def store(central: Central, file: bytes) -> None:
    """Somebody else sends an instance there."""
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--x--"
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    assert central.http.post("/dicomweb/studies", content=body, headers=kind).status_code == 200


def test_images_follow_their_patient(central: Central, site: Site) -> None:
    """They go up whole, and belong there to the Patient that the site sent: no other one is made for them."""
    site.connect(central.token)
    site.write(patient("q-1"))
    site.add(*images(71, 3, PatientID="q-1"))
    site.events()
    site.turn(now=False)
    assert there(central, 71) == []
    site.sync()
    assert there(central, 71) == [uid(71, 1, n) for n in (1, 2, 3)]
    wait_until(
        lambda: central.http.get("/fhir/ImagingStudy", params={"subject": "Patient/q-1"}).json()["total"] == 1,
        "the study to belong to its patient",
    )
    assert central.http.get("/fhir/Patient", params={"identifier": "q-1"}).json()["total"] == 1
    assert site.standing().images == 3
    rows = site.sql("SELECT entity, outcome FROM audit_event WHERE subtype = 'synchronize' AND entity = %s", uid(71))
    assert rows == [(uid(71), 0)]
    site.add(*images(71, 4, PatientID="q-1")[3:])
    site.sync()
    assert len(there(central, 71)) == 4
    assert site.standing().images == 4


def test_images_that_came_before_the_clock_was_set_back(central: Central, site: Site) -> None:
    """Their study does not wait until that time comes again."""
    site.connect(central.token, fhir=None)
    site.add(*images(79, 1))
    site.sql("UPDATE study SET updated = now() + interval '30 minutes'")
    site.events()
    site.turn()
    assert there(central, 79) == [uid(79, 1, 1)]


def test_cut_images_come_once(central: Central, site: Site, proxy: Proxy) -> None:
    """Cut anywhere, in what is sent and before any answer: all are there, and what had come is not sent again."""
    site.connect(central.token, fhir=None)
    sent = images(72, 5)
    site.add(*sent)
    asked = Cut()  # after each, the upstream is asked what it has
    proxy.cuts = [Cut(there=0), asked, Cut(there=3000), asked, Cut(there=20_000), asked, Cut(back=0), Cut(back=10)]
    site.sync()
    assert there(central, 72) == [uid(72, 1, n) for n in range(1, 6)]
    assert all(file in file_of(central, 72, n) for n, file in enumerate(sent, 1))
    assert proxy.cuts == []
    assert site.standing().state == "level"
    called = proxy.connections
    proxy.cuts = [asked, Cut(there=0)]
    site.sql("UPDATE sync_study SET open = true, unsure = true, after = 0")
    site.sql("UPDATE errand SET ended = NULL")
    site.sync()
    assert proxy.connections == called + 1
    assert len(proxy.cuts) == 1


def test_what_is_refused_is_told(central: Central, site: Site) -> None:
    """Another object under the same UID is not written over; the others go, and it may be tried again."""
    taken = part10(data_set(73, 1, 1))
    store(central, taken)
    site.connect(central.token, fhir=None)
    site.add(*images(73, 2))
    site.sync()
    now = site.standing()
    assert (now.state, now.refused_images, now.images) == ("needs a decision", 1, 1)
    assert uid(73, 1, 1) in str(now.refused_why)
    assert there(central, 73) == [uid(73, 1, 1), uid(73, 1, 2)]


def test_what_people_delete_is_deleted_there(central: Central, site: Site, proxy: Proxy) -> None:
    """All of a study or an instance, through cuts, and not what came there from elsewhere; what is restored goes up."""
    site.connect(central.token, fhir=None)
    site.add(*images(84, 2), *images(85, 2))
    site.sync()
    store(central, part10(data_set(84, 2, 1)))
    transaction(site.pool, partial(delete, SYSTEM, uid(84)))
    transaction(site.pool, partial(delete, SYSTEM, uid(85), uid(85, 1), uid(85, 1, 2)))
    proxy.cuts = [Cut(there=0), Cut(back=0)]  # it does not come there; it does, and nobody hears of it
    site.sync()
    assert (there(central, 84), there(central, 85)) == ([uid(84, 2, 1)], [uid(85, 1, 1)])
    assert proxy.cuts == []
    assert (site.standing().kept_there, site.standing().state) == (0, "level")
    for study in (84, 85):
        transaction(site.pool, partial(restore, SYSTEM, uid(study)))
    site.sync()
    assert [len(there(central, study)) for study in (84, 85)] == [3, 2]


def test_what_stays_there_is_told(central: Central, site: Site) -> None:
    """What retention removes stays; so does what the upstream does not delete, and the status says why."""
    site.connect(central.token, fhir=None)
    site.add(*images(82, 1), *images(83, 1))
    site.sync()
    site.add(*images(81, 1))
    for study in (81, 82):  # one never went up
        transaction(site.pool, partial(delete, SYSTEM, uid(study), code=EXPIRED))
    site.sync()
    now = site.standing()
    assert (now.kept_there, now.kept_why, now.state) == (1, None, "level")
    with psycopg.connect(central.database_url, autocommit=True) as connection:
        site.token_file.write_text(run(connection, create_token("system/*.crus")))
    site.step = worker({Kind.SYNC: syncer(site.store.archive, BASE, "site.example:80", lambda: False)})
    transaction(site.pool, partial(delete, SYSTEM, uid(83)))
    site.sync()
    now = site.standing()
    assert (now.kept_there, now.kept_why, now.state) == (2, "status 403", "level")
    assert [len(there(central, study)) for study in (82, 83)] == [1, 1]
