"""The pairs of images that a blending presentation state lays one over the other.

Spec: PS3.3 A.33.4 and C.11.14 (2024d)
"""

from __future__ import annotations

from dicomweb.api.edge import Edge
from dicomweb.pixel.blending import STUDY, place_of, same, sets_of
from dicomweb.pixel.image import Attributes, image
from dicomweb.pixel.presentation import images_of
from dicomweb.study.pictures import Category, Shown, referenced
from healix_fhir.kernel.database import aat_once
from smart_auth.access import AccessContext

Pair = tuple[Shown, Shown]
MOST = 1000
"""Images of a set: each is compared with those of the other."""


async def pairs_of(edge: Edge, access: AccessContext, state: Shown) -> list[Pair]:
    """Each underlying image with the one that lies over it, in the state's order; not audited.

    None at all where one of them has none that is sampled at the same places, is not here, or is no lone grey frame.
    """
    sets = sets_of(Attributes(state.members, lambda _: b""))
    if sets is None:
        return []
    lower, upper = [await _images(edge, access, one) for one in sets]
    found = []
    for one in lower:
        over = next((other for other in upper if _over(one, other)), None)
        if over is None:
            return []
        found.append((one, over))
    return found


async def _images(edge: Edge, access: AccessContext, of_set: Attributes) -> list[Shown]:
    """The images of a set; none where not all of them can be blended."""
    uids = [uid for uid, _ in images_of(of_set)][:MOST]
    there = await aat_once(edge.pool, referenced(access, of_set.text(STUDY), uids, None))
    found = [there[uid] for uid in uids if uid in there and _is_grey(there[uid])]
    return found if len(found) == len(uids) else []


def _is_grey(one: Shown) -> bool:
    pixels = one.layout.pixels
    return one.category is Category.IMAGE and one.frames == 1 and pixels is not None and image(pixels).is_grey


def _over(one: Shown, other: Shown) -> bool:
    places = place_of(one.members), place_of(other.members)
    return places[0] is not None and places[1] is not None and same(places[0], places[1])
