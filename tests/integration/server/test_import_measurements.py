"""Files of readings are imported: each reading once, bad ones refused by their line."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from healix_fhir.care.wearables.source import Source
from healix_fhir.kernel.errors import HealixError
from healix_fhir.server.importing.measurements import Intake
from tests.support.fhir_server import BASE, rows
from tests.support.gate import Pool
from tests.support.search import Clinic
from tests.unit.care.wearables.test_apple_health import HEAD, STRIP, Q, record

HEART = f"{Q}HeartRate"


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """Ada with a watch, Bob with a band."""
    clinic = Clinic(pool)
    for patient, device in (("ada", "watch"), ("bob", "band")):
        clinic.put({"resourceType": "Patient", "id": patient})
        clinic.put({"resourceType": "Device", "id": device, "patient": {"reference": f"Patient/{patient}"}})
    return clinic


def imported(pool: Pool, path: Path, device: str | None = None) -> dict[str, Any]:
    """What the import of a file did; all of the file was told of."""
    read: list[int] = []
    intake = Intake(pool, (BASE,), "ada", device)
    intake.take(Source(path, read.append).found(), path.name)
    assert sum(read) > 0
    report = intake.report
    counts = {
        name: getattr(report, name) for name in ("created", "updated", "known", "flagged") if getattr(report, name)
    }
    assert report.received == report.created + report.updated + report.known + report.refused
    return counts | {"refused": [f"{one['item']} {one['reason']}" for one in report.items]}


def test_a_table_with_bad_lines(pool: Pool, clinic: Clinic, tmp_path: Path) -> None:
    """One line in a hundred is bad: told with its number and reason; the others are kept, and known the second time."""
    lines = [f"watch,heart-rate,2026-01-02T{n // 60:02}:{n % 60:02}:00Z,{60 + n % 30},/min" for n in range(1200)]
    bad = {99: "kg", 199: "x", 299: "band", 399: "2096"}
    lines[99] = lines[99].replace("/min", "kg")
    lines[199] = lines[199].replace("heart-rate", "mood")
    lines[299] = lines[299].replace("watch", "band")
    lines[399] = lines[399].replace("2026", "2096")
    path = tmp_path / "readings.csv"
    path.write_text("device,metric,time,value,unit\n" + "\n".join(lines) + "\n\xff,bad")
    found = imported(pool, path)
    assert found["created"] == 1200 - len(bad)
    told = [one.partition(" ")[::2] for one in found["refused"]]
    assert [place for place, _ in told] == [f"readings.csv:{n}" for n in (101, 201, 301, 401, 1202)]
    for (_, reason), word in zip(told, ("'kg'", "'mood'", "another patient", "future", "fields"), strict=True):
        assert word in reason
    again = imported(pool, path)
    assert (again["known"], len(again["refused"])) == (1196, 5)
    assert rows(pool, "SELECT count(*) FROM resource WHERE id LIKE 'm-%%'") == [(1196,)]
    with pytest.raises(HealixError, match="another patient"):
        Intake(pool, (BASE,), "ada", "band")
    with pytest.raises(HealixError, match="no Patient/eve"):
        Intake(pool, (BASE,), "eve", None)


def test_sources_of_apps_are_devices(pool: Pool, clinic: Clinic, tmp_path: Path) -> None:
    """Sources in an archive of Apple Health become Devices once, and strips readings; or all are of one device."""
    path = tmp_path / "export.zip"
    other = record(HEART, "70", "count/min", "09:00:00").replace("Ada&#8217;s Watch", "Phone")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/electrocardiograms/ecg_2026-01-02.csv", STRIP)
        archive.writestr(
            "apple_health_export/export.xml", HEAD + record(HEART, "72", "count/min") + other + "</HealthData>"
        )
        archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
    assert imported(pool, path) == {"created": 3, "refused": []}
    assert imported(pool, path) == {"known": 3, "refused": []}
    assert rows(pool, "SELECT count(*) FROM resource WHERE id LIKE 's-%%'") == [(3,)]
    assert imported(pool, path, "watch") == {"created": 3, "refused": []}
    assert imported(pool, path, "watch") == {"known": 3, "refused": []}


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("a.txt", b"", "one of"),
        ("a.csv", b"a,b\n", "names the fields"),
        ("a.zip", b"no", "no ZIP"),
        ("a.fit", b"no", "no FIT"),
        ("a.xml", b"<Bundle/>", "no export"),
    ],
)
def test_files_that_are_none(pool: Pool, clinic: Clinic, tmp_path: Path, name: str, body: bytes, told: str) -> None:
    """What is not what its name says is refused, and says what was expected."""
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(HealixError, match=told):
        imported(pool, path)
