"""Rendered presentation states: the image that they refer to, as they say."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.parts import parts
from tests.support.presentation import item, state
from tests.support.stow import HEADERS, body

STUDY = f"/dicomweb/studies/{uid(1)}"
STATE = f"{STUDY}/series/{uid(1, 7)}/instances/{uid(1, 7, 1)}"
PNG = {"Accept": "image/png"}
ROWS, COLUMNS = 20, 30


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of an empty server."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def image(number: int = 1, **elements: Any) -> Dataset:
    """An image of 20 rows and 30 columns: the value of a pixel is 8 times its column, but 100 of the first row."""
    ds = with_pixels(data_set(1, 1, number, **elements), rows=ROWS, columns=COLUMNS, bits=16)
    pixels = np.tile(np.arange(COLUMNS, dtype="<u2") * 8, (ROWS, 1))
    pixels[0] = 100
    ds.PixelData = pixels.tobytes()
    return ds


def shown(client: httpx.Client, *files: Dataset, path: str = STATE, **params: str) -> Any:
    """The picture of the state, once these are stored."""
    answer = client.post("/dicomweb/studies", content=body([part10(one) for one in files]), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    answer = client.get(path + "/rendered", headers=PNG, params=params)
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content))).astype(int)


WINDOW = item(WindowCenter="100", WindowWidth="200", VOILUTFunction="LINEAR_EXACT")


@pytest.mark.spec("PS3.4 N.2.1")
def test_the_window_of_the_state_counts(client: httpx.Client) -> None:
    """Window and polarity are those of the state, not of the image; no other one and no region may be asked for."""
    one = image(WindowCenter="5", WindowWidth="2")
    made = state(one, SoftcopyVOILUTSequence=[WINDOW], PresentationLUTShape="INVERSE")
    found = shown(client, one, made)
    expected = 255 - np.clip(np.arange(COLUMNS) * 8 / 200, 0, 1) * 255
    assert np.abs(found[1] - expected).max() <= 1
    for wrong in ({"window": "0,1000,linear-exact"}, {"viewport": "30,20,0,0,5,5"}):
        assert client.get(STATE + "/rendered", params=wrong).status_code == 400


def test_a_window_may_be_of_some_images_only(client: httpx.Client) -> None:
    """Of the windows each image gets the one that names it; a multipart has all images in the state's order."""
    one, two = image(1), image(2)
    windows = [
        item(WindowCenter="100", WindowWidth="200", VOILUTFunction="LINEAR_EXACT", ReferencedImageSequence=[
            item(ReferencedSOPInstanceUID=two.SOPInstanceUID)]),
        item(WindowCenter="50", WindowWidth="100", VOILUTFunction="LINEAR_EXACT", ReferencedImageSequence=[
            item(ReferencedSOPInstanceUID=one.SOPInstanceUID)]),
    ]  # fmt: skip
    shown(client, one, two, state(two, one, SoftcopyVOILUTSequence=windows))
    answer = client.get(STATE + "/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    pictures = [np.asarray(Image.open(BytesIO(part.content)))[1] for part in parts(answer)]
    assert [abs(int(picture[5]) - expected) <= 1 for picture, expected in zip(pictures, (51, 102), strict=True)] == [
        True,
        True,
    ]


@pytest.mark.spec("PS3.4 N.2.1.3")
def test_a_presentation_table_is_applied_last(client: httpx.Client) -> None:
    """The entries of a Presentation LUT stand for the range from black to white."""
    lut = item()
    lut.add_new(0x00283002, "US", [2, 0, 8])
    lut.add_new(0x00283006, "OW", b"\xff\x00\x40\x00")
    one = image()
    made = state(one, SoftcopyVOILUTSequence=[WINDOW], PresentationLUTSequence=[lut])
    del made.PresentationLUTShape
    found = shown(client, one, made)
    assert (found[1, 0], found[1, 29]) == (255, 64)


@pytest.mark.spec("PS3.3 C.10.6")
@pytest.mark.parametrize(
    ("rotation", "flip", "size", "corners"),
    [
        (0, "N", (ROWS, COLUMNS), (100, 100, 0, 232)),
        (90, "N", (COLUMNS, ROWS), (0, 100, 232, 100)),
        (180, "N", (ROWS, COLUMNS), (232, 0, 100, 100)),
        (270, "N", (COLUMNS, ROWS), (100, 232, 100, 0)),
        (0, "Y", (ROWS, COLUMNS), (100, 100, 232, 0)),
        (90, "Y", (COLUMNS, ROWS), (100, 0, 100, 232)),
    ],
)
def test_an_image_is_turned_clockwise_and_then_flipped(
    client: httpx.Client, rotation: int, flip: str, size: tuple[int, int], corners: tuple[int, ...]
) -> None:
    """The corners of the picture (upper left, upper right, lower left, lower right) are where they belong."""
    whole = item(WindowCenter="127.5", WindowWidth="255", VOILUTFunction="LINEAR_EXACT")
    one = image()
    made = state(one, SoftcopyVOILUTSequence=[whole], ImageRotation=rotation, ImageHorizontalFlip=flip)
    found = shown(client, one, made)
    assert found.shape == size
    assert (found[0, 0], found[0, -1], found[-1, 0], found[-1, -1]) == corners


@pytest.mark.spec("PS3.3 C.10.4")
def test_a_part_of_the_image_is_displayed(client: httpx.Client) -> None:
    """The displayed area is cut out, with the aspect of its pixels; beyond the image there is black."""
    whole = item(WindowCenter="127.5", WindowWidth="255", VOILUTFunction="LINEAR_EXACT")
    area = item(
        DisplayedAreaTopLeftHandCorner=[11, 2],
        DisplayedAreaBottomRightHandCorner=[40, 11],
        PresentationPixelAspectRatio=[2, 1],
        PresentationSizeMode="SCALE TO FIT",
    )
    one = image()
    found = shown(client, one, state(one, SoftcopyVOILUTSequence=[whole], DisplayedAreaSelectionSequence=[area]))
    assert found.shape == (20, 30)
    assert (found[10, 0], found[10, 19], found[10, 25]) == (80, 232, 0)


@pytest.mark.spec("PS3.3 C.7.6.11")
def test_shutters_cover_what_is_outside(client: httpx.Client) -> None:
    """What any of the shutters leaves out has their value: of a rectangle, a circle and a polygon."""
    white = item(WindowCenter="-1000", WindowWidth="1", VOILUTFunction="LINEAR")
    one = image()
    made = state(
        one,
        SoftcopyVOILUTSequence=[white],
        ShutterShape=["RECTANGULAR", "CIRCULAR", "POLYGONAL"],
        ShutterLeftVerticalEdge=3,
        ShutterRightVerticalEdge=28,
        ShutterUpperHorizontalEdge=2,
        ShutterLowerHorizontalEdge=19,
        CenterOfCircularShutter=[10, 15],
        RadiusOfCircularShutter=9,
        VerticesOfThePolygonalShutter=[1, 1, 1, 30, 12, 30, 12, 1],
        ShutterPresentationValue=0x4000,
    )
    found = shown(client, one, made)
    assert (found[9, 14], found[9, 1], found[1, 1], found[15, 14]) == (255, 64, 64, 64)
    assert set(np.unique(found)) == {64, 255}


@pytest.mark.spec("PS3.3 C.10.5")
def test_graphics_are_drawn_over_the_image(client: httpx.Client) -> None:
    """Figures are at their pixels also when the image is turned, and in the grey of their layer; texts are there."""
    black = item(WindowCenter="5000", WindowWidth="1", VOILUTFunction="LINEAR")
    figures = [
        item(GraphicAnnotationUnits="PIXEL", GraphicDimensions=2, NumberOfGraphicPoints=2, GraphicType="POLYLINE",
             GraphicFilled="N", GraphicData=[2.5, 4.5, 20.5, 4.5]),
        item(GraphicAnnotationUnits="DISPLAY", GraphicDimensions=2, NumberOfGraphicPoints=4, GraphicType="POLYLINE",
             GraphicFilled="Y", GraphicData=[0.9, 0.9, 1, 0.9, 1, 1, 0.9, 1]),
    ]  # fmt: skip
    layer = item(GraphicLayer="ONE", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=0x8000)
    annotation = item(GraphicLayer="ONE", GraphicObjectSequence=figures)
    one = image()
    made = state(
        one,
        SoftcopyVOILUTSequence=[black],
        GraphicAnnotationSequence=[annotation],
        GraphicLayerSequence=[layer],
        ImageRotation=90,
    )
    found = shown(client, one, made)
    assert (found[10, ROWS - 5], found[25, ROWS - 5], found[28, 19]) == (128, 0, 128)
    text = item(UnformattedTextValue="Mass", AnchorPointAnnotationUnits="PIXEL", AnchorPoint=[1, 1],
                AnchorPointVisibility="N")  # fmt: skip
    made.GraphicAnnotationSequence = [item(GraphicLayer="ONE", TextObjectSequence=[text])]
    made.SOPInstanceUID = uid(1, 7, 2)
    assert shown(client, made, path=STATE[:-1] + "2", viewport="300,300")[:60, -150:].max() > 64


def pseudo_coloured(ds: Dataset, size: int = 3) -> Dataset:
    """A pseudo-colour state whose palette goes from blue by green to red."""
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.11.3"
    for number, entries in enumerate(((0, 0, 255), (0, 255, 0), (255, 0, 0))):
        ds.add_new(0x00281101 + number, "US", [size, 0, 16])
        ds.add_new(0x00281201 + number, "OW", b"".join((value * 257).to_bytes(2, "little") for value in entries))
    return ds


@pytest.mark.spec("PS3.4 N.2.4")
def test_a_palette_colours_grey_values(client: httpx.Client) -> None:
    """From the darkest to the brightest of the window, its entries from the first to the last."""
    whole = item(WindowCenter="116", WindowWidth="232", VOILUTFunction="LINEAR_EXACT")
    one = image()
    made = pseudo_coloured(state(one, SoftcopyVOILUTSequence=[whole]))
    del made.PresentationLUTShape
    found = shown(client, one, made)
    assert found[1, (0, 5, 10, 15, 29)].tolist() == [[0, 0, 255], [0, 0, 255], [0, 255, 0], [0, 255, 0], [255, 0, 0]]


@pytest.mark.spec("PS3.3 C.7.6.15")
def test_a_bitmap_shutter_covers_what_it_marks(client: httpx.Client) -> None:
    """With the shutter's value, beside what other shutters cover; it is no overlay that is drawn."""
    white = item(WindowCenter="-1000", WindowWidth="1", VOILUTFunction="LINEAR")
    one = image()
    made = state(
        one,
        SoftcopyVOILUTSequence=[white],
        ShutterShape=["BITMAP", "RECTANGULAR"],
        ShutterOverlayGroup=0x6002,
        ShutterPresentationValue=0x4000,
        ShutterLeftVerticalEdge=0,
        ShutterRightVerticalEdge=30,
        ShutterUpperHorizontalEdge=0,
        ShutterLowerHorizontalEdge=21,
    )
    mask = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    mask[3:5, 4:9] = 1
    for tag, vr, value in (
        (0x60020010, "US", ROWS), (0x60020011, "US", COLUMNS), (0x60020040, "CS", "G"), (0x60020050, "SS", [1, 1]),
        (0x60020100, "US", 1), (0x60021001, "CS", "ONE"),
        (0x60023000, "OW", np.packbits(mask.reshape(-1), bitorder="little").tobytes() + b"\0"),
    ):  # fmt: skip
        made.add_new(tag, vr, value)
    found = shown(client, one, made)
    covered = found[:, :-1] == 64
    assert np.array_equal(covered, mask[:, :-1] == 1)
    assert set(np.unique(found)) == {64, 255}


def test_the_states_overlay_is_shown(client: httpx.Client) -> None:
    """An overlay of the state that it activates is shown; one of the image that it does not is left out."""
    black = item(WindowCenter="5000", WindowWidth="1", VOILUTFunction="LINEAR")
    one, made = image(), None
    made = state(one, SoftcopyVOILUTSequence=[black])
    for ds, origin, active in ((one, [5, 5], False), (made, [3, 1], True)):
        ds.add_new(0x60000010, "US", 2)
        ds.add_new(0x60000011, "US", 4)
        ds.add_new(0x60000040, "CS", "G")
        ds.add_new(0x60000050, "SS", origin)
        ds.add_new(0x60000100, "US", 1)
        ds.add_new(0x60003000, "OW", b"\x0f\x00")
        if active:
            ds.add_new(0x60001001, "CS", "ONE")
    found = shown(client, one, made)
    assert (found[2, :4].tolist(), found.sum()) == ([255] * 4, 4 * 255)


def test_what_cannot_be_presented_is_refused(client: httpx.Client) -> None:
    """A state whose image is not here is 404, one of another kind 406, a palette for colours 406 by name; no frames."""
    one = image()
    assert client.post("/dicomweb/studies", content=body([part10(state(one))]), headers=HEADERS).is_success
    assert client.get(STATE + "/rendered").status_code == 404
    assert client.get(STATE + "/frames/1/rendered").status_code == 404
    coloured = with_pixels(data_set(1, 1, 2), rows=2, columns=6)
    coloured.Columns, coloured.SamplesPerPixel, coloured.PhotometricInterpretation = 2, 3, "RGB"
    coloured.PlanarConfiguration = 0
    blending = pseudo_coloured(state(coloured))
    blending.SOPInstanceUID = uid(1, 7, 2)
    files = [part10(coloured), part10(blending)]
    assert client.post("/dicomweb/studies", content=body(files), headers=HEADERS).is_success
    answer = client.get(STATE[:-1] + "2/rendered")
    assert (answer.status_code, "palette" in answer.text) == (406, True)
    blending.SOPClassUID, blending.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.4", uid(1, 7, 3)
    assert client.post("/dicomweb/studies", content=body([part10(blending)]), headers=HEADERS).is_success
    answer = client.get(STATE[:-1] + "3/rendered")
    assert (answer.status_code, "softcopy" in answer.text) == (406, True)


PLACE: dict[str, Any] = {
    "FrameOfReferenceUID": uid(5),
    "ImagePositionPatient": ["0", "0", "12.5"],
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PixelSpacing": ["0.5", "0.5"],
}


def blending(lower: list[Dataset], upper: list[Dataset], **elements: Any) -> Dataset:
    """A state that lays `upper` over `lower`, in colours from blue by green to red, with an opacity of 0.25."""
    made = pseudo_coloured(state(lower[0]))
    made.SOPClassUID, made.RelativeOpacity = "1.2.840.10008.5.1.4.1.1.11.4", 0.25
    del made.ReferencedSeriesSequence
    made.BlendingSequence = [
        item(
            BlendingPosition=position,
            StudyInstanceUID=images[0].StudyInstanceUID,
            SoftcopyVOILUTSequence=[item(WindowCenter="116", WindowWidth="232", VOILUTFunction="LINEAR_EXACT")],
            ReferencedSeriesSequence=[
                item(
                    SeriesInstanceUID=images[0].SeriesInstanceUID,
                    ReferencedImageSequence=[
                        item(ReferencedSOPClassUID=one.SOPClassUID, ReferencedSOPInstanceUID=one.SOPInstanceUID)
                        for one in images
                    ],
                )
            ],
        )
        for position, images in (("UNDERLYING", lower), ("SUPERIMPOSED", upper))
    ]
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def over(value: int, number: int = 2, **elements: Any) -> Dataset:
    """An image of another study, whose pixels all have one value."""
    ds = image(number, **PLACE | elements)
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uid(2), uid(2, 1), uid(2, 1, number)
    ds.PixelData = np.full((ROWS, COLUMNS), value, "<u2").tobytes()
    return ds


@pytest.mark.spec("PS3.4 N.2.4.3")
@pytest.mark.parametrize(("value", "colour"), [(0, (0, 0, 255)), (116, (0, 255, 0)), (232, (255, 0, 0))])
def test_one_image_is_blended_over_another(client: httpx.Client, value: int, colour: tuple[int, int, int]) -> None:
    """Of each colour a quarter is that of the superimposed image, and three quarters the grey of the underlying one."""
    lower, upper = image(**PLACE), over(value)
    found = shown(client, lower, upper, blending([lower], [upper]))
    grey = np.clip(np.arange(COLUMNS) * 8 / 232, 0, 1) * 255
    expected = np.array(colour) * 0.25 + grey[:, None] * 0.75
    assert np.abs(found[1] - expected).max() <= 2
    small = client.get(STATE + "/thumbnail", headers=PNG)
    assert Image.open(BytesIO(small.content)).mode == "RGB"


def test_every_pair_is_shown_in_the_order_of_the_state(client: httpx.Client) -> None:
    """Each underlying image with the one at its place, wherever that stands in the other set."""
    places = [["0", "0", str(place)] for place in (0, 5)]
    lower = [image(number, **PLACE | {"ImagePositionPatient": places[number - 1]}) for number in (1, 2)]
    upper = [over(value, number, ImagePositionPatient=places[2 - number]) for number, value in ((1, 0), (2, 232))]
    shown(client, *lower, *upper, blending(lower, upper))
    answer = client.get(STATE + "/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    pictures = [np.asarray(Image.open(BytesIO(part.content)))[1, 0] for part in parts(answer)]
    assert [picture.argmax() for picture in pictures] == [0, 2]  # red, blue


@pytest.mark.spec("PS3.3 C.11.14")
@pytest.mark.parametrize(
    "other",
    [
        {"ImagePositionPatient": ["0", "0", "13"]},
        {"ImageOrientationPatient": ["1", "0", "0", "0", "0", "-1"]},
        {"PixelSpacing": ["0.5", "0.6"]},
        {"FrameOfReferenceUID": uid(6)},
        {"FrameOfReferenceUID": None},
    ],
)
def test_what_would_have_to_be_sampled_anew_is_refused(client: httpx.Client, other: dict[str, Any]) -> None:
    """Images of other places in space are not blended, and neither are those that a registration relates."""
    lower, upper = image(**PLACE), over(0, **other)
    files = [part10(one) for one in (lower, upper, blending([lower], [upper]))]
    assert client.post("/dicomweb/studies", content=body(files), headers=HEADERS).is_success
    answer = client.get(STATE + "/rendered")
    assert (answer.status_code, "same places" in answer.text) == (406, True)


def test_a_registration_and_an_image_that_is_not_here(client: httpx.Client) -> None:
    """What relates the sets is not applied, and so the state not shown; nor is one whose images are missing."""
    lower, upper = image(**PLACE), over(0)
    related = blending([lower], [upper], ReferencedSpatialRegistrationSequence=[item(ReferencedSOPInstanceUID="1.2")])
    absent = blending([lower], [over(0, 9)], SOPInstanceUID=uid(1, 7, 2))
    files = [part10(one) for one in (lower, upper, related, absent)]
    assert client.post("/dicomweb/studies", content=body(files), headers=HEADERS).is_success
    for number in ("1", "2"):
        assert client.get(f"{STATE[:-1]}{number}/rendered").status_code == 406


def test_who_may_not_see_one_of_the_images_sees_none(server: LiveServer, client: httpx.Client) -> None:
    """The answer is that for images that are not here."""
    lower, upper = image(**PLACE), over(0)
    shown(client, lower, upper, blending([lower], [upper]))
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        for number, patient in ((1, "mine"), (2, "other")):
            connection.execute(
                "WITH k AS (INSERT INTO patient_key (id) VALUES (%s) RETURNING pat)"
                " UPDATE study SET pat = k.pat FROM k WHERE study_uid = %s",
                (patient, uid(number)),
            )
    with server.client("patient/ImagingStudy.rs", patient="mine") as mine:
        assert mine.get(f"{STUDY}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/rendered").status_code == 200
        assert mine.get(STATE + "/rendered").status_code == 406


@pytest.mark.spec("PS3.18 9.5")
def test_wado_uri_applies_a_state_to_an_image(client: httpx.Client) -> None:
    """`presentationUID` and `presentationSeriesUID` name the state for an image, and a region is one of what that
    makes of it; the state itself may be asked for, as large as is wanted; thumbnails of states are drawn too.
    """
    one = image()
    made = state(one, SoftcopyVOILUTSequence=[WINDOW], ImageRotation=90)
    wanted = shown(client, one, made)
    uids = {"studyUID": uid(1), "seriesUID": uid(1, 1), "objectUID": uid(1, 1, 1), "requestType": "WADO"}
    named = {"presentationSeriesUID": uid(1, 7), "presentationUID": uid(1, 7, 1), "contentType": "image/png"}
    answer = client.get("/dicomweb/wado", params=uids | named)
    assert np.array_equal(np.asarray(Image.open(BytesIO(answer.content))), wanted)
    direct = uids | {"seriesUID": uid(1, 7), "objectUID": uid(1, 7, 1), "contentType": "image/png"}
    assert np.array_equal(np.asarray(Image.open(BytesIO(client.get("/dicomweb/wado", params=direct).content))), wanted)
    assert client.get("/dicomweb/wado", params=uids | {"presentationUID": uid(1, 7, 1)}).status_code == 400
    half = client.get("/dicomweb/wado", params=uids | named | {"region": "0,0,1,0.5"})
    assert np.array_equal(np.asarray(Image.open(BytesIO(half.content))), wanted[: COLUMNS // 2])
    small = client.get("/dicomweb/wado", params=direct | {"columns": "10"})
    assert Image.open(BytesIO(small.content)).size == (10, 15)
    named["presentationUID"] = uid(1, 1, 1)
    assert client.get("/dicomweb/wado", params=uids | named).status_code == 400
    assert max(Image.open(BytesIO(client.get(STATE + "/thumbnail").content)).size) == 160
