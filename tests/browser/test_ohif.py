"""The OHIF viewer, installed by `healix viewer install`: people sign in and see the images that are theirs."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support import stow
from tests.support.dicom import ct, uid
from tests.support.ohif import PATIENCE, Colour, Ohif, Point, colour_at
from tests.support.serve import Served, healix, wait_until
from tests.support.tools import require_tool
from tests.support.viewed import clip, document, objects, report, segmentation, structures, volume
from tests.support.viewed.sample import files

STUDY = uid(objects.STUDY)
"""Of the demo's Jonas, whose account is `patient`, and who is in the care of `clinician`."""
OTHER, STRANGER = uid(88), uid(89)
"""Of the demo's Mei, who is in the same care, and of a patient in nobody's."""
DESCRIPTIONS = {"CT head (demo)", objects.DESCRIPTION, "HX-1003", "HX-9999"}
GRID = (5, 20, 40, 52, 100, 123)
"""Columns and rows, and slices below, far enough from every edge of the volume, and from what is written over it."""
SLICES = (2, 11, 28)
MIDDLE = volume.point(52, 36, 16)
"""Within the bar; the plate of the segmentation; neither."""
PLATE, NEITHER = volume.point(92, 92, 16), volume.point(64, 64, 16)
EDGE = volume.point(volume.COLUMNS.stop - 0.5, 36, 16)
VIDEO = """
const [{viewport}] = cornerstone.getEnabledElements();
const video = viewport.videoElement;
return video ? [video.videoWidth, video.duration, video.src] : [0, 0, ""];
"""
SEEK = """
const [{viewport}] = cornerstone.getEnabledElements();
const there = viewport.getFrameNumber() === arguments[0] && !viewport.videoElement.seeking;
if (viewport.getFrameNumber() !== arguments[0]) viewport.setFrameNumber(arguments[0]);
return there;
"""
"""Goes to a frame until it is there: a video that has just been opened goes to its first one a while later."""
FRAME = 76


@pytest.fixture(scope="module")
def viewer(served: Served) -> Served:
    """The running server with the viewer installed, the sample study, and studies of other patients."""
    require_tool("npm")
    done = healix(served.data_dir, "viewer", "install")
    if "npm could not get" in done.stderr:
        pytest.skip(f"the npm package @ohif/app cannot be had here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] > 100
    others = [
        ct(study, size=64, PatientID=patient, PatientName="Other", StudyDescription=patient)
        for study, patient in ((88, "HX-1003"), (89, "HX-9999"))
    ]
    with served.client(served.token("system/*.cruds")) as client:
        stored = client.post("/dicomweb/studies", content=stow.body([*files(), *others]), headers=stow.HEADERS)
        assert stored.status_code == 200, stored.text
    return served


@pytest.fixture(scope="module")
def shared(viewer: Served, shared_browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> Ohif:
    """The viewer in the browser that the tests share."""
    ohif = Ohif(viewer, shared_browser, tmp_path_factory.mktemp("pictures"))
    ohif.open("", f"{viewer.url}/account/login")
    # the viewer explains itself to who is new, over what it shows
    shared_browser.execute_script("""localStorage.setItem("shownTours", '["basicViewerTour"]')""")
    return ohif


@pytest.fixture
def ohif(shared: Ohif) -> Iterator[Ohif]:
    """The same; a test during which the page logs an error fails."""
    shared.console()
    yield shared
    assert shared.console() == []


@pytest.mark.spec("IHE RAD TF-2 4.106 Invoke Image Display")
@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
def test_a_patient_follows_the_link_of_the_imaging_study(viewer: Served, ohif: Ohif) -> None:
    """The ImagingStudy's link leads over the login to the study; no token is in an address, nothing from elsewhere."""
    ohif.leave()
    ohif.open("patient", _link(viewer))
    ohif.wait_for_study()
    wait_until(lambda: _right(ohif, [volume.point(*at, 31) for at in _square()]), "the slice", seconds=PATIENCE)
    shown = " ".join(ohif.thumbnails())
    for text in ("Volume", segmentation.LABEL, structures.LABEL, report.TITLE, document.TITLE, clip.TITLE):
        assert text in shown
    asked = [*ohif.requests(), ohif.browser.current_url]
    assert [url for url in asked if "token=" in url or ohif.token() in url] == []
    assert [url for url in asked if not url.startswith((viewer.url, "blob:", "data:"))] == []
    assert ohif.browser.execute_script("return crossOriginIsolated")


def test_slices_look_as_the_server_draws_them(viewer: Served, ohif: Ohif) -> None:
    """What is drawn of a slice has the greys of the rendered resource of the same instance."""
    ohif.study("patient", STUDY)
    body = ohif.browser.find_element(By.TAG_NAME, "body")
    for _ in range(volume.SLICES - 1 - 16):
        body.send_keys(Keys.ARROW_DOWN)
    wait_until(lambda: ohif.viewports()[0]["focus"][2] == MIDDLE[2], "the slice in the middle")
    wait_until(lambda: max(*ohif.colours([MIDDLE], "slice")[0]) > 240, "the bar")
    path = f"/dicomweb/studies/{STUDY}/series/{uid(objects.STUDY, 1)}/instances/{uid(objects.STUDY, 1, 17)}/rendered"
    with viewer.client(ohif.token()) as client:
        picture = client.get(path, headers={"Accept": "image/png"})
    ours = np.asarray(Image.open(io.BytesIO(picture.content)).convert("L"))
    theirs = ohif.colours([volume.point(*at, 16) for at in _square()], "slice")
    assert [grey for grey, _, _ in theirs] == [
        pytest.approx(int(ours[row, column]), abs=3) for column, row in _square()
    ]


def test_planes_through_the_volume(ohif: Ohif) -> None:
    """MPR shows the axial, sagittal and coronal planes with what lies in them, in its place."""
    ohif.study("patient", STUDY)
    ohif.press(name="Layout")
    ohif.press(words="MPR")
    wait_until(lambda: len(ohif.viewports()) == 3, "three viewports", seconds=PATIENCE)
    cube = [(x, y, z) for x in GRID for y in GRID for z in SLICES]
    for viewport, found in enumerate(ohif.viewports()):
        axis = int(np.argmax(np.abs(found["normal"])))
        plane = {tuple(_index(found["focus"])[n] if n == axis else at[n] for n in range(3)) for at in cube}
        points = [volume.point(*at) for at in sorted(plane)]
        wait_until(partial(_right, ohif, points, viewport=viewport), f"the plane {viewport}", seconds=PATIENCE)


def test_segments_over_the_slices(ohif: Ohif) -> None:
    """A segmentation is drawn in the colours of its segments, each where it is."""
    ohif.study("patient", STUDY)
    ohif.show(segmentation.LABEL)
    ohif.press(words="Yes")
    points = [MIDDLE, PLATE, NEITHER]

    def drawn() -> bool:
        if not _at(ohif, MIDDLE):
            return False
        bar, plate, neither = ohif.colours(points, "segments")
        return bar[0] > bar[1] + 50 and plate[2] > plate[1] + 50 and len(set(neither)) == 1

    wait_until(drawn, "a red and a blue segment", seconds=PATIENCE)


def test_contours_over_the_slices(ohif: Ohif) -> None:
    """A structure set whose contours are bulk data is drawn in the colour of its region, along the region's edge."""
    ohif.study("patient", STUDY)
    ohif.show(structures.LABEL)
    ohif.press(words="Yes")

    def drawn() -> bool:
        if not _at(ohif, MIDDLE):
            return False
        (x, y), (inside, below) = ohif.viewports([EDGE, MIDDLE])[0]["places"]
        screen = ohif.screen("contours")
        near = [colour_at(screen, x + step, y) for step in range(-4, 5)]
        return any(map(_is_green, near)) and not _is_green(colour_at(screen, inside, below))

    wait_until(drawn, "a green line around the bar", seconds=PATIENCE)


def test_measurements_of_a_report(ohif: Ohif) -> None:
    """The measurement of a report of TID 1500 becomes one that can be worked on, with its length, at its place."""
    ohif.study("patient", STUDY)
    ohif.show(report.TITLE)
    ohif.press(words="Yes")
    ohif.press(name="trackedMeasurements-btn")
    wait_until(lambda: f"{report.LENGTH:.1f} mm" in ohif.text(), "the length", seconds=PATIENCE)
    ends = [volume.point(at, volume.ROWS.start, report.SLICE) for at in (volume.COLUMNS.start, volume.COLUMNS.stop)]
    assert _measured(ohif) == [pytest.approx(end, abs=1) for end in ends]


def test_documents(ohif: Ohif) -> None:
    """An encapsulated PDF is shown as a page."""
    ohif.study("patient", STUDY)
    ohif.show(document.TITLE)

    def drawn() -> bool:
        blue = (ohif.screen("document") == document.COLOUR).all(axis=2)
        return bool(blue.sum() > 10_000)

    wait_until(drawn, "the blue square of the page", seconds=PATIENCE)


@pytest.mark.spec("PS3.18 10.4.1.1.3")
def test_videos(ohif: Ohif) -> None:
    """A video is played from its rendered resource, whose address has no token, and any part of it can be gone to."""
    ohif.study("patient", STUDY)
    ohif.show(clip.TITLE)
    wait_until(lambda: ohif.viewports() and _video(ohif)[0] == clip.COLUMNS, "the video", seconds=PATIENCE)
    _, seconds, address = _video(ohif)
    assert seconds == pytest.approx(clip.FRAMES / clip.RATE, abs=0.1)
    assert address.endswith("/rendered")
    square: Point = (clip.LEFT + FRAME - 1 + clip.SQUARE / 2, clip.ROWS / 2, 0)

    def drawn() -> bool:
        if not ohif.browser.execute_script(SEEK, FRAME):
            return False
        inside, outside = ohif.colours([square, (clip.LEFT, clip.ROWS / 2, 0)], "video")
        return min(inside) > 240 and max(abs(a - b) for a, b in zip(outside, clip.GROUND, strict=True)) < 20

    wait_until(drawn, "the square where it is by then", seconds=PATIENCE)


@pytest.mark.spec("PS3.18 10.5")
def test_a_measurement_is_kept(viewer: Served, ohif: Ohif) -> None:
    """A clinician comes from the patient's entry, draws a length and saves it; after a reload it is there again."""
    ohif.leave()
    ohif.open("clinician", f"{viewer.url}/account/login")
    ohif.browser.get(f"{viewer.url}/account/")
    ohif.browser.find_element(By.CSS_SELECTOR, f"a[href*='{STUDY}']").click()
    ohif.wait_for_study()
    ohif.press(name="MeasurementTools-split-button-primary")
    top = volume.point(40, 70, 31), volume.point(80, 100, 31)
    (x, y), (to_x, to_y) = ohif.viewports(list(top))[0]["places"]
    ohif.drag((x, y), (to_x, to_y))
    ohif.press(words="Yes")
    ohif.press(name="trackedMeasurements-btn")
    ohif.press(words="Create SR")
    name = "Length of a test"
    wait_until(lambda: ohif.find('[data-cy="dialog-input"]'), "the dialogue")
    ohif.find('[data-cy="dialog-input"]')[-1].send_keys(name)
    ohif.press(words="Save")
    wait_until(lambda: name in " ".join(ohif.thumbnails()), "the report among the series")
    ohif.study("clinician", STUDY)
    ohif.show(name)
    ohif.press(words="Yes")
    ohif.press(name="trackedMeasurements-btn")
    length = math.dist(*top)
    wait_until(lambda: f"{length:.0f}" in ohif.text(), "the length", seconds=PATIENCE)
    assert _measured(ohif) == [pytest.approx(end, abs=1.5) for end in top]


@pytest.mark.parametrize(("username", "missing"), [("patient", {"HX-1003", "HX-9999"}), ("clinician", {"HX-9999"})])
def test_the_list_has_the_studies_of_the_person(ohif: Ohif, username: str, missing: set[str]) -> None:
    """A patient sees the own studies, a clinician those of the patients in care, after one login and no question."""
    ohif.leave()
    ohif.open(username, f"{ohif.served.url}/ohif/")
    there = DESCRIPTIONS - missing
    wait_until(lambda: {one for one in DESCRIPTIONS if one in ohif.text()} == there, "the studies", seconds=PATIENCE)


@pytest.mark.parametrize(("username", "study"), [("patient", OTHER), ("clinician", STRANGER)])
def test_a_study_of_another_is_not_there(ohif: Ohif, username: str, study: str) -> None:
    """Opened for a study of a patient who is another, or in nobody's care, the viewer draws nothing."""
    ohif.open(username, f"{ohif.served.url}/ohif/viewer?StudyInstanceUIDs={study}")
    wait_until(ohif.is_not_found, "the study not to be found", seconds=PATIENCE, shown=ohif.shown)
    assert ohif.find("canvas") == []


def test_signing_out(viewer: Served, ohif: Ohif) -> None:
    """Who signs out in the viewer is asked once, and the viewer's token is worth nothing any more."""
    ohif.study("patient", STUDY)
    token = ohif.token()
    ohif.browser.get(f"{viewer.url}/ohif/logout?redirect_uri={viewer.url}/ohif/")
    wait_until(lambda: "/account/logout" in ohif.browser.current_url, "the question")
    with viewer.client(token) as client:
        assert client.get("/dicomweb/studies").status_code == 401
    ohif.browser.find_element(By.CSS_SELECTOR, "main button").click()
    wait_until(ohif.is_asked, "the login form")


def test_another_name_of_the_server_leads_to_the_right_one(viewer: Served, ohif: Ohif) -> None:
    """Codes go to the server's own address only, so the viewer opened as localhost goes there first."""
    ohif.leave()
    ohif.open("", f"http://localhost:{viewer.port}/ohif/viewer?StudyInstanceUIDs={STUDY}")
    wait_until(ohif.is_asked, "the login form", seconds=PATIENCE)
    assert ohif.browser.current_url.startswith(viewer.url)


def _video(ohif: Ohif) -> tuple[int, float, str]:
    """Width, seconds and address of the video that is shown."""
    width, seconds, address = ohif.browser.execute_script(VIDEO)
    return width, seconds, address


def _link(viewer: Served) -> str:
    """The link of the FHIR ImagingStudy to an image display, once the study has become one."""
    found: list[str] = []

    def told() -> bool:
        with viewer.client(viewer.token("system/ImagingStudy.rs")) as client:
            bundle = client.get("/fhir/ImagingStudy", params={"identifier": f"urn:dicom:uid|urn:oid:{STUDY}"}).json()
        endpoints = [one for entry in bundle.get("entry", ()) for one in entry["resource"]["contained"]]
        found.extend(one["address"] for one in endpoints if one["connectionType"]["code"] == "ihe-iid")
        return bool(found)

    wait_until(told, "the link")
    return found[0]


def _square() -> list[tuple[int, int]]:
    return [(column, row) for column in GRID for row in GRID]


def _index(point: Point) -> tuple[float, float, float]:
    """The column, row and slice of a point."""
    x, y, z = (at - corner for at, corner in zip(point, volume.CORNER, strict=True))
    return x / volume.SPACING, y / volume.SPACING, z / volume.THICKNESS


def _right(ohif: Ohif, points: list[Point], *, viewport: int = 0) -> bool:
    """Whether a viewport shows the volume at these points."""
    drawn = ohif.colours(points, f"viewport-{viewport}", viewport=viewport)
    return all(
        max(abs(level - volume.grey(*_index(point))) for level in colour) <= 4
        for point, colour in zip(points, drawn, strict=True)
    )


def _at(ohif: Ohif, point: Point) -> bool:
    """Whether the viewport shows the slices of the bar."""
    found = ohif.viewports()
    return bool(found) and abs(found[0]["focus"][2] - point[2]) <= len(volume.BAR_SLICES) // 2 * volume.THICKNESS


def _is_green(colour: Colour) -> bool:
    return colour[1] > colour[0] + 40 and colour[1] > colour[2] + 40


def _measured(ohif: Ohif) -> list[list[float]]:
    """The ends of the one measurement that the viewer has, in mm."""
    (points,) = ohif.browser.execute_script(
        "return services.measurementService.getMeasurements().map(({points}) => points.map(point => [...point]))"
    )
    return [list(map(float, point)) for point in points]
