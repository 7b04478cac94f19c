"""One picture: of a frame, of several that move, or of an image as a presentation state presents it.

Spec: PS3.18 8.7.4, 10.4.1.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dicomweb.api.content import Made
from dicomweb.api.look import labels_of
from dicomweb.archive.blobs import Archive
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.rendering import Look, render
from dicomweb.pixel.showing import Stored, prepared
from dicomweb.study.pictures import Shown
from healix_fhir.kernel.errors import too_large

REPRESENTATIVE_FRAME = "00286010"
DRAWN = "2"
"""The version of the drawing, for tags: another one when the same image comes out otherwise."""
MOVING = 256
"""Frames of one moving picture."""
MOVING_PIXELS = 64 << 20
"""Pixels of all its frames, which are in memory together."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn: frames of an image, and how; `burned` are the tags of the attributes that are burned in."""

    one: Shown
    numbers: tuple[int, ...]
    look: Look
    burned: tuple[int, ...] = ()
    state: Stored | None = None
    upper: Shown | None = None

    def made(self, archive: Archive) -> Made:
        """The picture, drawn when it is its turn."""
        state = self.state.key if self.state else ""
        upper = self.upper.instance.key if self.upper else ""
        labels = labels_of(self.burned, self.one.members) if self.burned else ()
        form = f"{DRAWN} {self.one.instance.key} {state} {upper} {self.numbers} {self.look} {labels}"
        return Made(partial(_drawn, archive, self), form)


def drawing(
    one: Shown,
    numbers: Sequence[int],
    look: Look,
    burned: Sequence[int],
    state: Stored | None = None,
    upper: Shown | None = None,
) -> Drawing:
    """A picture of one frame, or of several that move; `upper` lies over it.

    Raises TooLarge for what would not fit into the memory.
    """
    pixels = one.layout.pixels
    assert pixels is not None, "only images are drawn"
    if len(numbers) > MOVING:
        raise too_large(f"a moving picture may have at most {MOVING} frames; ask for some of them")
    if len(numbers) > 1 and len(numbers) * pixels.rows * pixels.columns > MOVING_PIXELS:
        raise too_large("the frames are too large for a moving picture; ask for some of them")
    return Drawing(one, tuple(numbers), look, tuple(burned), state, upper)


def _drawn(archive: Archive, asked: Drawing) -> Iterator[bytes]:
    one = asked.one
    look = replace(asked.look, labels=labels_of(asked.burned, one.members)) if asked.burned else asked.look
    upper = stored_of(asked.upper) if asked.upper is not None else None
    ready = prepared(archive, stored_of(one), asked.numbers, look.window, asked.state, upper)
    look = replace(look, presentation=ready.presentation, blend=ready.blend)
    yield work_now(render, ready.sources, ready.image, ready.members, ready.bulk, look)


def stored_of(one: Shown) -> Stored:
    """The instance as what reads its pixels takes it."""
    return Stored(one.instance.key, one.instance.transfer_syntax, one.layout, one.members)


def representative_frame(one: Shown) -> int:
    """The frame that stands for the instance. Spec: PS3.3 C.7.6.6 (2024d)"""
    if one.frames == 1:
        return 1
    values = one.members.get(REPRESENTATIVE_FRAME, {}).get("Value", [])
    number = values[0] if values and isinstance(values[0], int) else 1
    return number if 1 <= number <= one.frames else 1
