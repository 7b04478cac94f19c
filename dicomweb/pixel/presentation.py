"""A presentation state as it applies to one image: what is shown of it, how, and what is drawn over it.

Spec: PS3.3 A.33, C.7.6.11, C.7.6.15, C.10.4 to C.10.7, C.11 (2024d); PS3.4 N.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dicomweb.pixel.colour import PROFILE, colours_of_grey
from dicomweb.pixel.grey import INTERCEPT, MODALITY_LUTS, PRESENTATION_SHAPE, SLOPE, Grey, Window, of_voi, table
from dicomweb.pixel.image import Attributes

SERIES, IMAGES, INSTANCE, FRAME = 0x00081115, 0x00081140, 0x00081155, 0x00081160
VOI, PRESENTATION_LUTS = 0x00283110, 0x20500010
AREAS, TOP_LEFT, BOTTOM_RIGHT, SPACING, ASPECT = 0x0070005A, 0x00700052, 0x00700053, 0x00700101, 0x00700102
ROTATION, FLIP = 0x00700042, 0x00700041
ANNOTATIONS, LAYER, TEXTS, FIGURES = 0x00700001, 0x00700002, 0x00700008, 0x00700009
LAYERS, ORDER, GREY = 0x00700060, 0x00700062, 0x00700066
UNITS, KIND, DATA, FILLED = 0x00700005, 0x00700023, 0x00700022, 0x00700024
TEXT, BOX_UNITS, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = 0x00700006, 0x00700003, 0x00700010, 0x00700011
ANCHOR_UNITS, ANCHOR = 0x00700004, 0x00700014
SHAPES, SHUTTER_GREY = 0x00181600, 0x00181622
EDGES = (0x00181602, 0x00181606, 0x00181604, 0x00181608)
"""Left, upper, right and lower edge of a rectangular shutter."""
CENTRE, RADIUS, VERTICES = 0x00181610, 0x00181612, 0x00181620
MOST = 5000
"""Graphics that are drawn, and points of each."""
LETTERS = 2000

Point = tuple[float, float]
"""Column and row from the upper left corner of the image."""


@dataclass(frozen=True, slots=True)
class Graphic:
    """A figure, or a text at the first of its points (and the second one, where it has a box).

    Points are in pixels of the image, or in shares of what is displayed when not `in_pixels`.
    """

    kind: str
    points: tuple[Point, ...]
    in_pixels: bool
    grey: int = 255
    filled: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Shutter:
    """What is left open of the image: a RECTANGULAR (two corners), CIRCULAR (`radius`) or POLYGONAL part."""

    shape: str
    points: tuple[Point, ...]
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Presentation:
    """How an image is presented. `area` are left, upper, right and lower end of what is shown; `tall` says how much
    higher than wide a pixel is, where the state says so; `overlay` and `covered` (by a bitmap shutter) are masks of
    rows by columns, their bits packed. `palette` has the colours of grey values, `profile` says what all colours are.
    """

    rotation: int = 0
    flipped: bool = False
    area: tuple[int, int, int, int] | None = None
    tall: float | None = None
    shutters: tuple[Shutter, ...] = ()
    shutter_grey: int = 0
    graphics: tuple[Graphic, ...] = ()
    overlay: bytes = b""
    covered: bytes = b""
    palette: bytes = b""
    profile: bytes = b""


def images_of(state: Attributes) -> list[tuple[str, tuple[int, ...]]]:
    """The images that a state presents, each with its frames; none are all of them."""
    return [
        (image.text(INSTANCE), tuple(int(number) for number in image.numbers(FRAME)))
        for series in state.items(SERIES)
        for image in series.items(IMAGES)
    ]


def presented_grey(state: Attributes, instance: str, number: int, window: Window | None, *, signed: bool) -> Grey:
    """How grey values of a frame are shown: as the state says, which counts instead of what the image says."""
    modality = state.items(MODALITY_LUTS)
    shown = next(_applying(state, VOI, instance, number), None)
    luts = state.items(PRESENTATION_LUTS)
    return Grey(
        (state.numbers(SLOPE) or [1.0])[0],
        (state.numbers(INTERCEPT) or [0.0])[0],
        table(modality[0], signed=signed) if modality else None,
        window or (of_voi(shown, signed=signed) if shown is not None else None),
        state.text(PRESENTATION_SHAPE) == "INVERSE",
        lut=table(luts[0], signed=False) if luts else None,
    )


def presentation(state: Attributes, instance: str, number: int) -> Presentation:
    """How a frame of an instance is presented."""
    found = Presentation(
        rotation=state.number(ROTATION) % 360,
        flipped=state.text(FLIP) == "Y",
        shutters=tuple(_shutters(state)),
        shutter_grey=state.number(SHUTTER_GREY) >> 8,
        graphics=tuple(_graphics(state, instance, number))[:MOST],
        palette=colours_of_grey(state),
        profile=state.octets(PROFILE),
    )
    area = next(_applying(state, AREAS, instance, number), None)
    if area is None:
        return found
    ends = [*area.numbers(TOP_LEFT), *area.numbers(BOTTOM_RIGHT)]
    if len(ends) == 4:
        columns, rows = sorted((ends[0], ends[2])), sorted((ends[1], ends[3]))
        found = replace(found, area=(int(columns[0]) - 1, int(rows[0]) - 1, int(columns[1]), int(rows[1])))
    for tag in (ASPECT, SPACING):
        ratio = area.numbers(tag)
        if len(ratio) == 2 and min(ratio) > 0 and max(ratio) / min(ratio) <= 100:
            return replace(found, tall=ratio[0] / ratio[1])
    return found


def _applying(state: Attributes, tag: int, instance: str, number: int) -> Iterator[Attributes]:
    """The items of a sequence that apply to a frame: those that name it, or name none."""
    for item in state.items(tag):
        named = item.items(IMAGES)
        if not named or any(
            one.text(INSTANCE) == instance and (not one.numbers(FRAME) or number in one.numbers(FRAME)) for one in named
        ):
            yield item


def _shutters(state: Attributes) -> Iterator[Shutter]:
    """Rows and columns of shutters count from 1."""
    for shape in state.values(SHAPES):
        if shape == "RECTANGULAR":
            edges = [state.number(tag) for tag in EDGES]
            yield Shutter(shape, ((edges[0], edges[1]), (edges[2] - 1, edges[3] - 1)))
        elif shape == "CIRCULAR" and len(centre := state.numbers(CENTRE)) == 2:
            yield Shutter(shape, ((centre[1] - 0.5, centre[0] - 0.5),), (state.numbers(RADIUS) or [0.0])[0])
        elif shape == "POLYGONAL":
            points = _pairs(state.numbers(VERTICES))
            if len(points) >= 3:
                yield Shutter(shape, tuple((column - 0.5, row - 0.5) for row, column in points))


def _graphics(state: Attributes, instance: str, number: int) -> Iterator[Graphic]:
    """The figures and texts over a frame, layer by layer in their order."""
    layers = {layer.text(LAYER): layer for layer in state.items(LAYERS)}
    order = {name: layer.number(ORDER) for name, layer in layers.items()}
    annotations = sorted(_applying(state, ANNOTATIONS, instance, number), key=lambda one: order.get(one.text(LAYER), 0))
    for annotation in annotations:
        layer = layers.get(annotation.text(LAYER))
        grey = (layer.number(GREY, 0xFFFF) if layer is not None else 0xFFFF) >> 8
        for figure in annotation.items(FIGURES):
            points = _pairs(figure.numbers(DATA))
            if points:
                in_pixels = figure.text(UNITS) != "DISPLAY"
                yield Graphic(figure.text(KIND), points, in_pixels, grey, figure.text(FILLED) == "Y")
        for text in annotation.items(TEXTS):
            if (found := _text(text, grey)) is not None:
                yield found


def _text(text: Attributes, grey: int) -> Graphic | None:
    """A text in its box, else at its anchor."""
    words = text.text(TEXT)[:LETTERS]
    box = (*_pairs(text.numbers(BOX_TOP_LEFT)), *_pairs(text.numbers(BOX_BOTTOM_RIGHT)))
    if len(box) == 2:
        return Graphic("TEXT", box, text.text(BOX_UNITS) != "DISPLAY", grey, text=words)
    anchor = _pairs(text.numbers(ANCHOR))
    return Graphic("TEXT", anchor[:1], text.text(ANCHOR_UNITS) != "DISPLAY", grey, text=words) if anchor else None


def _pairs(numbers: Sequence[float]) -> tuple[Point, ...]:
    return tuple(zip(numbers[: 2 * MOST : 2], numbers[1 : 2 * MOST : 2], strict=False))
