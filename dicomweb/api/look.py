"""The query parameters of rendered resources.

Spec: PS3.18 8.3.5 and Table 8.3.5-1 (2024d)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dicomweb.pixel.grey import Window
from dicomweb.pixel.rendering import JPEG, LARGEST, Look, Viewport
from healix_fhir.kernel.errors import HealixError, invalid

NUMBER = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:[eE][+-]?\d{1,2})?", re.ASCII)
FUNCTION = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
PARAMETERS = frozenset({"window", "viewport", "quality", "annotation", "iccprofile"})
ICC_PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3")
OF_THUMBNAILS = frozenset({"viewport"})
THUMBNAIL = Viewport(160, 160)

PATIENT = (0x00100010, 0x00100020, 0x00100030, 0x00100040)
TECHNIQUE = (0x00080060, 0x00080020, 0x00081030, 0x0008103E, 0x00200013)
ANNOTATIONS = {"patient": PATIENT, "technique": TECHNIQUE}
"""The attributes whose values are burned in: who the patient is, and how the image was made."""


def look(params: Sequence[tuple[str, str]]) -> tuple[Look, tuple[int, ...]]:
    """How frames are to be rendered, as JPEG, and the tags of the attributes to burn in.

    `params` are of PARAMETERS. Raises Invalid for one that is malformed or stands twice.
    """
    given: dict[str, str] = {}
    for name, value in params:
        if name in given:
            raise invalid(f"{name} stands twice", code="value")
        given[name] = value
    found = Look(
        JPEG,
        _window(given["window"]) if "window" in given else None,
        _viewport(given["viewport"]) if "viewport" in given else None,
        _quality(given.get("quality", "90")),
        profile=_profile(given.get("iccprofile", "no")),
    )
    return found, _annotations(given["annotation"]) if "annotation" in given else ()


def check_whole(looking: Look, what: str) -> None:
    """Raises Invalid where a region or a window is asked for of `what`, which is shown as it is.

    Spec: PS3.18 8.3.5.1.3, 8.3.5.1.4 (2024d)
    """
    viewport = looking.viewport
    if viewport is not None and viewport != Viewport(viewport.width, viewport.height):
        raise invalid(f"the viewport of a {what} is vw,vh", code="value")
    if looking.window is not None:
        raise invalid(f"a {what} has no window to choose", code="value")


def labels_of(tags: Sequence[int], members: Mapping[str, Any]) -> tuple[str, ...]:
    """The lines of text for the attributes `tags` of an instance: those that have a value."""
    found = []
    for tag in tags:
        values = members.get(f"{tag:08X}", {}).get("Value", [])
        if values and values[0] is not None:
            first = values[0]
            found.append(
                str(first.get("Alphabetic", "") if isinstance(first, dict) else first).replace("^", " ").strip()
            )
    return tuple(line[:128] for line in found if line)


def _window(value: str) -> Window:
    parts = value.split(",")
    function = FUNCTION.get(parts[2].strip().lower()) if len(parts) == 3 else None
    if function is None:
        raise invalid("window is center,width,function with the function linear, linear-exact or sigmoid", code="value")
    return Window(_number(parts[0], "window"), _number(parts[1], "window"), function)


def _viewport(value: str) -> Viewport:
    """`vw,vh` and, of the region, `sx,sy,sw,sh`, of which any may be left out, the last with their commas; of where it
    begins the sign does not count. Spec: PS3.18 8.3.5.1.3 (2024d)
    """
    parts = [part.strip() for part in value.split(",")]
    if not 2 <= len(parts) <= 6 or not parts[-1]:
        raise invalid("viewport is vw,vh or vw,vh,sx,sy,sw,sh", code="value")
    sizes = [_number(part, "viewport") for part in parts[:2]]
    if not all(1 <= size <= LARGEST and size == int(size) for size in sizes):
        raise invalid(f"the size of a viewport is from 1 to {LARGEST} pixels", code="value")
    region = [_number(part, "viewport") if part else None for part in parts[2:]] + [None] * (6 - len(parts))
    left, top, width, height = region
    if 0 in (width, height):
        raise invalid("the region of a viewport is not empty", code="value")
    return Viewport(int(sizes[0]), int(sizes[1]), abs(left or 0.0), abs(top or 0.0), width, height)


def _quality(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 3) or not 1 <= int(value) <= 100:
        raise invalid("quality is a whole number from 1 to 100", code="value")
    return int(value)


def _profile(value: str) -> str:
    """Spec: PS3.18 8.3.5.1.5"""
    if value not in ICC_PROFILES:
        raise invalid(f"iccprofile is one of {', '.join(ICC_PROFILES)}", code="value")
    return "" if value == "no" else value


def _annotations(value: str) -> tuple[int, ...]:
    names = value.split(",")
    if unknown := [name for name in names if name not in ANNOTATIONS]:
        raise _unknown(unknown[0])
    return tuple(tag for name in dict.fromkeys(names) for tag in ANNOTATIONS[name])


def _unknown(name: str) -> HealixError:
    return invalid(f"'{name[:32]}' is no annotation: there are patient and technique", code="value")


def _number(text: str, parameter: str) -> float:
    if NUMBER.fullmatch(text.strip()) is None:
        raise invalid(f"{parameter} has a part that is no number", code="value")
    return float(text)
