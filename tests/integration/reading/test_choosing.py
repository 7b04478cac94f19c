"""The page on which a reader chooses key images: by their pictures and by number, with what each shows, and as what."""

from __future__ import annotations

import asyncio
import io
import re
from html import unescape

import httpx
import pytest
from PIL import Image

from dicomweb.archive.opening import open_archive
from healix_fhir.care.reports.record.images import uid_of
from healix_fhir.model.key_images import KeyImage, key_images_of
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.portal import browser, csrf, sign_in
from tests.support.presentation import state
from tests.support.reading import ReadingRoom
from tests.support.stow import HEADERS, body

NUMBER = 884
VERSION = re.compile(r'name="version" value="(\d*)"')


def stored(room: ReadingRoom, study: str) -> None:
    """Two images and one of three frames, with a presentation state of the second."""
    items = {"StudyInstanceUID": study, "PatientID": "mrn-1", "Modality": "CT"}
    images = [with_pixels(data_set(NUMBER, 1, n, **items), rows=16, columns=16) for n in (1, 2)]
    frames = with_pixels(data_set(NUMBER, 1, 3, **items), rows=16, columns=16, frames=3)
    uids = {"SeriesInstanceUID": uid(NUMBER, 7), "SOPInstanceUID": uid(NUMBER, 7, 1), "ContentDescription": "Bone"}
    files = [*images, frames, state(images[1], **(items | {"Modality": "PR"} | uids))]
    with room.system() as system:
        answer = system.post("/dicomweb/studies", content=body([part10(one) for one in files]), headers=HEADERS)
        assert answer.status_code == 200, answer.text
    room.settle()


async def sent(client: httpx.AsyncClient, address: str, deed: str, **fields: str) -> httpx.Response:
    """Send a form of the page as it stands."""
    shown = await client.get(address)
    version, *_ = [*VERSION.findall(shown.text), ""]
    said = fields | {"csrf": csrf(shown), "version": version, "deed": deed}
    return await client.post(address, data=said)


@pytest.mark.spec("FHIR R4 diagnosticreport-definitions.html#DiagnosticReport.media")
def test_chosen_by_picture_and_by_number(room: ReadingRoom, database_url: str) -> None:
    """They are the draft's, and on the pages of who may see the patient; pictures are nobody else's."""
    task = room.case()
    stored(room, uid_of(room.get(task["focus"]["reference"])))
    address = f"/account/reading/{task['id']}"
    choosing, archive = f"{address}/images", open_archive(room.server.settings)

    def chosen() -> list[KeyImage]:
        (report,) = room.found("DiagnosticReport?subject=Patient/p")
        return key_images_of(report)

    async def story() -> None:
        async with browser(database_url, archive=archive) as ann, browser(database_url, archive=archive) as out:
            assert (await ann.get(choosing)).headers["location"] == "/account/login"
            await sign_in(ann, "ann")
            await sign_in(out, "out")
            series = uid(NUMBER, 1)
            page = await ann.get(f"{choosing}?series={series}")
            assert "Take the case to choose" in page.text
            refused = await sent(ann, choosing, "add", **{"pick-0": uid(NUMBER, 1, 2)})
            assert (refused.status_code, "Take the case first" in refused.text) == (400, True)
            shown = await ann.get("/account/reading")
            fields = {"case": task["id"], "deed": "take", "csrf": csrf(shown)}
            assert (await ann.post("/account/reading", data=fields)).status_code == 303
            begun = await sent(ann, address, "images", findings="A nodule.")
            assert begun.headers["location"] == choosing
            picks = {"pick-0": uid(NUMBER, 1, 2), "pick-1": uid(NUMBER, 1, 3), "frame-1": "2", "series": series}
            added = await sent(ann, choosing, "add", **picks)
            assert added.headers["location"] == f"{choosing}?series={series}&done=saved", added.text
            assert (await sent(ann, choosing, "number", series=series, number="1")).status_code == 303
            for deed, wrong in (
                ("number", {"series": series, "number": "9"}),
                ("number", {"series": series, "number": "x"}),
                ("add", {"pick-0": uid(NUMBER, 1, 3), "frame-0": "4"}),
                ("add", {"pick-0": uid(NUMBER, 9, 9)}),
                ("add", {}),
            ):
                assert (await sent(ann, choosing, deed, **wrong)).status_code == 400, wrong
            assert ">STATE, Bone</option>" in (await ann.get(choosing)).text
            kept = {"comment-0": "Nodule", "state-0": uid(NUMBER, 7, 1), "drop-1": "yes", "state-2": uid(NUMBER, 7, 1)}
            assert (await sent(ann, choosing, "keep", **kept)).status_code == 303
            expected = [KeyImage(uid(NUMBER, 1, 2), "Nodule", state=uid(NUMBER, 7, 1)), KeyImage(uid(NUMBER, 1, 1))]
            assert chosen() == expected
            draft = await ann.get(address)
            assert ">A nodule.</textarea>" in draft.text
            sources = [unescape(one) for one in re.findall(r'<img src="([^"]+)"', draft.text)]
            assert len(sources) == 2
            picture = await ann.get(sources[0])
            assert picture.headers["content-type"] == "image/jpeg"
            assert Image.open(io.BytesIO(picture.content)).size == (240, 240)
            assert (await out.get(sources[0])).status_code == 404
            assert (await out.get(choosing)).status_code == 404
            signed = await sent(ann, address, "sign", findings="A nodule.")
            assert signed.headers["location"] == f"{address}?done=signed", signed.text
            assert chosen() == expected
            late = await sent(ann, choosing, "keep", **{"drop-0": "yes"})
            assert late.status_code == 400
            room.settle()
        async with browser(database_url, archive=archive) as pat:
            await sign_in(pat, "pat")
            (report,) = room.found("DiagnosticReport?subject=Patient/p")
            read = await pat.get(f"/account/results/{report['id']}")
            assert "Nodule" in read.text
            assert (await pat.get(sources[0])).status_code == 200

    asyncio.run(story())
