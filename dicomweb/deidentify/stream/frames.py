"""What compressed frames say beside their pictures: removed where it stands, so that all lengths and offsets stay.

Encoders, cameras and converters write names, times and places into them, and no picture needs them. A frame is known
by how it begins, whatever the transfer syntax says of it; what begins like none is refused.

Spec: PS3.5 A.4 and 8.2 (2024d); PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

from typing import Protocol

from dicomweb.deidentify.stream import boxes, jpeg, jpeg2000, jpeg_xl
from dicomweb.deidentify.stream.refusal import unseen


class Frame(Protocol):
    """A frame whose fragments are changed in place, one after the other."""

    def begin(self, made: bytearray) -> None:
        """The first fragment."""

    def more(self, made: bytearray) -> None:
        """A further one."""


KINDS: tuple[tuple[bytes, type[Frame]], ...] = (
    (jpeg.START, jpeg.Jpeg),
    (jpeg2000.START, jpeg2000.Jpeg2000),
    (boxes.JP2, boxes.Boxes),
    (boxes.JXL, boxes.Boxes),
    (jpeg_xl.START, boxes.Bare),
)


class Frames:
    """The frames of an object, as a sequence of fragments."""

    def __init__(self) -> None:
        self._frame: Frame | None = None

    def fragment(self, made: bytearray) -> None:
        """Change the next fragment in place. Raises Unprocessable where it cannot be looked through."""
        kind = next((kind for start, kind in KINDS if made.startswith(start)), None)
        if kind is not None:
            self._frame = kind()
            self._frame.begin(made)
        elif self._frame is None:
            raise unseen()
        elif made:
            self._frame.more(made)
