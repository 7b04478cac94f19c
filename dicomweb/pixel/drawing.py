"""The picture of an image under a presentation state: shutters, what is displayed of it, turned, with its graphics.

Spec: PS3.4 N.2.3 to N.2.6 (2024d); PS3.3 C.7.6.11, C.10.4 to C.10.6 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dicomweb.pixel.image import Array, broken
from dicomweb.pixel.presentation import Graphic, Point, Presentation

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

LARGEST = 8192
"""Pixels of a side of what is displayed."""
STEPS = 24
"""Straight pieces between two points of a curve."""

Mapping: TypeAlias = Callable[[Point], Point]


def shuttered(shown: Array, presentation: Presentation, covered: Array | None) -> Array:
    """The pixels, those outside the shutters and those that a bitmap says covered."""
    if not presentation.shutters and covered is None:
        return shown
    from PIL import Image as pillow  # noqa: N813
    from PIL import ImageDraw

    height, width = shown.shape[:2]
    is_open = np.ones((height, width), dtype=bool) if covered is None else ~covered
    for shutter in presentation.shutters:
        mask = pillow.new("L", (width, height))
        draw = ImageDraw.Draw(mask)
        if shutter.shape == "CIRCULAR":
            (column, row), radius = shutter.points[0], shutter.radius
            draw.ellipse((column - radius, row - radius, column + radius, row + radius), fill=1)
        elif shutter.shape == "RECTANGULAR":
            (left, upper), (right, lower) = shutter.points
            if left < right and upper < lower:
                draw.rectangle((left, upper, right - 1, lower - 1), fill=1)
        else:
            draw.polygon(list(shutter.points), fill=1)
        is_open &= np.asarray(mask, dtype=bool)
    behind = shown.copy()
    behind[~is_open] = presentation.shutter_grey
    return behind


def presented(picture: Picture, presentation: Presentation, tall: float, fit: tuple[int, int] | None) -> Picture:
    """What is displayed of a picture, turned and flipped, with square pixels, and its graphics; as large as fits into
    `fit` where that is given. `tall` is how much higher than wide a pixel is.
    """
    from PIL import Image as pillow  # noqa: N813

    left, upper, right, lower = presentation.area or (0, 0, picture.width, picture.height)
    if not (0 < right - left <= LARGEST and 0 < lower - upper <= LARGEST):
        raise broken("what the presentation state displays of the image is empty or too large")
    across, down = float(right - left), (lower - upper) * tall
    turned = presentation.rotation in (90, 270)
    scale = min(fit[0] / (down if turned else across), fit[1] / (across if turned else down)) if fit else 1.0
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    part = picture.crop((left, upper, right, lower))
    if part.size != size:
        part = part.resize(size, pillow.Resampling.BILINEAR if scale >= 1 else pillow.Resampling.BOX)
    turns = {90: pillow.Transpose.ROTATE_270, 180: pillow.Transpose.ROTATE_180, 270: pillow.Transpose.ROTATE_90}
    if presentation.rotation in turns:
        part = part.transpose(turns[presentation.rotation])
    if presentation.flipped:
        part = part.transpose(pillow.Transpose.FLIP_LEFT_RIGHT)

    def place(point: Point) -> Point:
        """Where a point of the image is in the picture."""
        x, y = (point[0] - left) / across * size[0], (point[1] - upper) / (lower - upper) * size[1]
        x, y = {
            90: (size[1] - y, x),
            180: (size[0] - x, size[1] - y),
            270: (y, size[0] - x),
        }.get(presentation.rotation, (x, y))
        return (part.width - x if presentation.flipped else x), y

    _draw(part, presentation.graphics, place)
    return part


def _draw(picture: Picture, graphics: Sequence[Graphic], place: Mapping) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    for graphic in graphics:
        points = [
            place(point) if graphic.in_pixels else (point[0] * width, point[1] * height) for point in graphic.points
        ]
        if graphic.kind == "TEXT":
            _write(draw, graphic, points, picture)
        else:
            _figure(draw, graphic, points, _tone(graphic, picture), max(1, round(max(picture.size) / 512)))


def _tone(graphic: Graphic, picture: Picture) -> int | tuple[int, int, int]:
    return graphic.grey if picture.mode == "L" else (graphic.grey,) * 3


def _figure(
    draw: ImageDraw, graphic: Graphic, points: list[Point], tone: int | tuple[int, int, int], stroke: int
) -> None:
    """A figure of one of the types of PS3.3 C.10.5.1.2."""
    match graphic.kind:
        case "POINT":
            x, y = points[0]
            draw.line((x - 3 * stroke, y, x + 3 * stroke, y), fill=tone, width=stroke)
            draw.line((x, y - 3 * stroke, x, y + 3 * stroke), fill=tone, width=stroke)
            return
        case "CIRCLE" if len(points) >= 2:
            outline = _ellipse(points[0], np.subtract(points[1], points[0]), None)
        case "ELLIPSE" if len(points) >= 4:
            middle = np.mean(points[:4], axis=0)
            outline = _ellipse(tuple(middle), np.subtract(points[1], middle), np.subtract(points[3], middle))
        case "INTERPOLATED":
            outline = _curve(points)
        case _:
            outline = points
    if graphic.filled and len(outline) > 2:
        draw.polygon(outline, fill=tone)
    elif len(outline) > 1:
        draw.line(outline, fill=tone, width=stroke, joint="curve")


def _ellipse(middle: Point, one: Array, other: Array | None) -> list[Point]:
    """The outline around `middle` with two half axes; of a circle there is one."""
    if other is None:
        other = np.asarray((-one[1], one[0]))
    angles = np.linspace(0, 2 * np.pi, 4 * STEPS + 1)
    outline = np.asarray(middle) + np.outer(np.cos(angles), one) + np.outer(np.sin(angles), other)
    return [(float(x), float(y)) for x, y in outline]


def _curve(points: list[Point]) -> list[Point]:
    """A smooth curve through the points: a Catmull-Rom spline, as the standard leaves open which."""
    if len(points) < 3:
        return points
    at = np.asarray([points[0], *points, points[-1]])
    found: list[Point] = []
    for number in range(1, len(at) - 2):
        zero, one, two, three = at[number - 1 : number + 3]
        for step in np.linspace(0, 1, STEPS, endpoint=False):
            where = 0.5 * (
                2 * one
                + (two - zero) * step
                + (2 * zero - 5 * one + 4 * two - three) * step**2
                + (3 * one - zero - 3 * two + three) * step**3
            )
            found.append((float(where[0]), float(where[1])))
    return [*found, points[-1]]


def _write(draw: ImageDraw, graphic: Graphic, points: list[Point], picture: Picture) -> None:
    """Text from the upper left of its box, upright however the image is turned."""
    from PIL import ImageFont

    x, y = min(point[0] for point in points), min(point[1] for point in points)
    lines = graphic.text.replace("\r\n", "\n").replace("\r", "\n")
    size = max(9.0, picture.height / 36)
    if len(points) == 2 and (high := abs(points[1][1] - points[0][1])) > 0:
        size = max(9.0, min(size, high / (1.3 * (lines.count("\n") + 1))))
    tone = _tone(graphic, picture)
    edge: int | tuple[int, int, int] = 0 if graphic.grey >= 128 else 255
    if picture.mode != "L":
        edge = (edge,) * 3  # type: ignore[assignment]
    draw.multiline_text((x, y), lines, fill=tone, font=ImageFont.load_default(size), stroke_width=1, stroke_fill=edge)
