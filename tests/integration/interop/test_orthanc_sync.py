"""Orthanc as an upstream that gets images only."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.bench.imaging_servers import orthanc
from tests.integration.sync.conftest import Site
from tests.support.cutting import Cut, cutting
from tests.support.dicom import ct, uid
from tests.support.gate import Pool
from tests.support.plain import NO_TLS


def test_images_go_up_to_orthanc(pool: Pool, tmp_path: Path) -> None:
    """Through a line that is cut each image comes once, byte for byte."""
    with orthanc(tmp_path / "orthanc") as served, cutting("127.0.0.1", served.port) as proxy:
        site = Site(pool, tmp_path, proxy)
        files = {ct(5, 1, n, size=64) for n in range(1, 6)}
        site.connect("", fhir=None, dicomweb=f"{proxy.url}/dicom-web", token_file=None)
        site.add(*files)
        asked = Cut()
        proxy.cuts = [Cut(there=0), asked, Cut(there=20_000), asked, Cut(back=0), Cut(back=10)]
        site.sync()
        assert proxy.cuts == []
        with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=60, verify=NO_TLS) as client:
            found = client.get(f"/dicom-web/studies/{uid(5)}/instances").json()
            assert sorted(one["00080018"]["Value"][0] for one in found) == [uid(5, 1, n) for n in range(1, 6)]
            assert {client.get(f"/instances/{id_}/file").content for id_ in client.get("/instances").json()} == files
        assert (site.standing().state, site.standing().images) == ("level", 5)
