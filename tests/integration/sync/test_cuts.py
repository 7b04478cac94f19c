"""Lines that are cut, upstreams that take nothing, workers that die: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from healix_fhir.care.sync.line import LONGEST_ASKED, asked_pause
from tests.integration.sync.conftest import Central, Site, patient, reading
from tests.support import forked
from tests.support.cutting import Cut, Proxy
from tests.support.receiver import receiving
from tests.support.serve import wait_until

CUTS = [Cut(there=0), Cut(there=120), Cut(back=0), Cut(back=1), Cut(back=100), Cut(there=120), Cut(back=100)]
"""Before the request, in it, and after it before any, or all, of the answer; also of who asks what became of it."""
IN_BODY = [Cut(there=1200), Cut(back=500)]
"""In the body of a batch and of its answer."""


@pytest.mark.parametrize("several", [3, 0], ids=["batch", "single"])
def test_cuts_lose_and_double_nothing(central: Central, site: Site, proxy: Proxy, several: int) -> None:
    """Wherever a request is cut, at each of its attempts, the central server has each version once, in order."""
    name = f"c-{several}"
    site.connect(central.token)
    for family in ("Doe", "Roe"):
        site.write(patient(name, family), *(reading(f"{name}-{n}", name, len(family) + n) for n in range(several)))
        proxy.cuts = (IN_BODY if several else []) + CUTS
        site.sync()
        assert proxy.cuts == []
        site.write(*(reading(f"{name}-{n}", name, 90) for n in range(several)))
    gone = f"Observation/{name}-0" if several else f"Patient/{name}"
    site.delete(*gone.split("/"))
    proxy.cuts = list(CUTS)
    site.sync()
    assert proxy.cuts == []
    for url in [f"Patient/{name}", *(f"Observation/{name}-{n}" for n in range(several))]:
        assert central.versions(url) == site.versions(url)
    assert [method for method, _ in central.versions(gone)][-1] == "DELETE"
    assert site.conflicts() == []


def test_offline_costs_little_and_ends_soon(central: Central, site: Site, proxy: Proxy) -> None:
    """Without a line the upstream is called again after a moment, not at every change, and shows why; then all goes."""
    site.connect(central.token)
    proxy.down = True
    site.write(patient("d-1"))
    site.events()
    assert site.turn() == 1
    now = site.standing()
    assert (now.state, now.reason, now.failures, now.behind) == ("away", "it cannot be reached", 1, 1)
    called = proxy.connections
    for n in range(5):
        site.write(patient("d-1", f"Roe {n}"))
        site.events()
        site.sql("UPDATE sync_upstream SET due = now() + interval '1 hour'")
        site.turn(now=False)
    assert proxy.connections == called
    (due,) = site.sql("SELECT due > now() + interval '50 minutes', given_up FROM errand")
    assert due == (True, False)
    site.sql("UPDATE errand SET asked = now() - interval '90 days'")
    site.turn()
    rows = site.sql("SELECT due < now() + interval '1 second', ended IS NULL, given_up FROM errand")
    assert rows == [(True, True, False)]
    proxy.down = False
    site.sync()
    assert len(central.versions("Patient/d-1")) == 6
    assert site.standing().state == "level"


REFUSALS: list[tuple[int, dict[str, str], float, str]] = [
    (401, {}, 0.0, "credentials"),
    (403, {}, 0.0, "credentials"),
    (500, {}, 0.0, "failure"),
    (503, {"Retry-After": "120"}, 115.0, "failure"),
    (429, {"Retry-After": "60"}, 55.0, "too much to do"),
    (302, {"Location": "http://169.254.169.254/"}, 0.0, "no such server"),
    (200, {}, 0.0, "not FHIR"),
]


@pytest.mark.parametrize(("status", "headers", "least", "said"), REFUSALS, ids=str)
def test_an_upstream_that_takes_nothing(
    site: Site, status: int, headers: dict[str, str], least: float, said: str
) -> None:
    """It is told why, waits as long as it is asked to, and keeps what waits."""
    with receiving() as receiver:
        receiver.status, receiver.headers = status, headers
        site.connect("t", fhir=receiver.url, dicomweb=None)
        site.write(patient("e-1"), patient("e-2"))
        site.events()
        ((begun,),) = site.sql("SELECT now()")
        site.turn()
        now = site.standing()
        assert said in str(now.reason)
        assert now.behind == 2
        ((after, rest),) = site.sql(
            "SELECT extract(epoch FROM due - %s)::float8, extract(epoch FROM due - now())::float8 FROM sync_upstream",
            begun,
        )
        assert least <= after
        assert rest <= max(2.0, least + 6)
        assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5), ("999999", LONGEST_ASKED), ("soon", None), ("-1", None), (None, None)]
)
def test_seconds_of_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds, within a limit; what is none is as if it were not there."""
    assert asked_pause(value) == seconds
    assert asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_private_address_takes_permission(site: Site) -> None:
    """Without it nothing is called there, also when a name leads there later."""
    site.connect("t", dicomweb=None)
    site.sql("UPDATE sync_upstream SET allow_private = false, fhir = 'https://localhost/fhir'")
    site.write(patient("f-1"))
    site.events()
    site.turn()
    assert site.standing().reason == "the endpoint is in a private network"


def test_a_killed_worker_doubles_nothing(central: Central, site: Site, database_url: str, tmp_path: Path) -> None:
    """Killed while it sends, its successor goes on where it was."""
    site.connect(central.token)
    count = 400
    site.write(patient("g-1"), *(reading(f"g-{n}", "g-1", n) for n in range(count)))

    def run() -> forked.Process:
        environment = os.environ | {"HEALIX_DATABASE_URL": database_url}
        return forked.begin(("worker", "--data-dir", str(tmp_path / "data")), env=environment)

    def sent(least: int) -> bool:
        return site.standing().sent >= least

    for least in (1, count + 1):
        worker = run()
        try:
            wait_until(lambda least=least: sent(least), "versions to be sent")  # type: ignore[misc]
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    total = central.http.get("/fhir/Observation", params={"subject": "Patient/g-1", "code": "8867-4", "_count": "0"})
    assert total.json()["total"] == count
    versions = {len(central.versions(f"Observation/g-{n}")) for n in range(0, count, 20)}
    assert versions == {1}
    summaries = central.http.get("/fhir/Observation", params={"category": "daily-summary", "subject": "Patient/g-1"})
    assert summaries.json()["total"] <= 1
    assert site.conflicts() == []
