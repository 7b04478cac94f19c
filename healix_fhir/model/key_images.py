"""Key images of an imaging report: contained Media that its `media` link to, each of which names an image of the study
by its SOP Instance UID and holds no pixels.

R4 has no element for one frame of an image, nor for how it is presented: two extensions of a Media say these. Who does
not know them sees the image, with its own window.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport-definitions.html#DiagnosticReport.media
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.model.imaging_report import UID_PREFIX, UID_SYSTEM, instance_of

Json = dict[str, Any]
FRAME = "urn:healix:extension:frame-number"
STATE = "urn:healix:extension:presentation-state"
PREFIX = "key-image-"


class KeyImage(msgspec.Struct, frozen=True):
    """An image by its SOP Instance UID; `frame` counts from 1, None for the one that stands for it; what is said of
    it; and the SOP Instance UID of the presentation state that it is shown with, or empty.
    """

    instance: str
    comment: str = ""
    frame: int | None = None
    state: str = ""


def key_images_of(report: Mapping[str, Any]) -> list[KeyImage]:
    """The images that a report names as key images."""
    named = {f"#{one.get('id')}": one for one in report.get("contained", ()) if _names_image(one)}
    links = ((str(one.get("link", {}).get("reference", "")), one) for one in report.get("media", ()))
    return [named_by(named[link], str(one.get("comment", ""))) for link, one in links if link in named]


def named_by(media: Mapping[str, Any], comment: str = "") -> KeyImage:
    """The image that a Media names."""
    said = {str(one.get("url")): one for one in media.get("extension", ())}
    frame = said.get(FRAME, {}).get("valuePositiveInt")
    state = str(said.get(STATE, {}).get("valueOid", "")).removeprefix(UID_PREFIX)
    return KeyImage(instance_of(media) or "", comment, frame if isinstance(frame, int) and frame > 0 else None, state)


def illustrated(report: Json, images: Sequence[KeyImage]) -> Json:
    """The report with these key images in the place of those it named; what else it has as `media` stays."""
    ours = {f"#{one.get('id')}" for one in report.get("contained", ()) if _names_image(one)}
    contained = [one for one in report.get("contained", ()) if not _names_image(one)]
    media = [one for one in report.get("media", ()) if one.get("link", {}).get("reference") not in ours]
    taken = {str(one.get("id")) for one in contained}
    ids = (id_ for n in range(1, len(taken) + len(images) + 1) if (id_ := f"{PREFIX}{n}") not in taken)
    for id_, one in zip(ids, images, strict=False):
        contained.append(_media(id_, one))
        media.append(({"comment": one.comment} if one.comment else {}) | {"link": {"reference": f"#{id_}"}})
    kept = {name: one for name, one in report.items() if name not in ("contained", "media")}
    return kept | ({"contained": contained} if contained else {}) | ({"media": media} if media else {})


def _names_image(contained: Mapping[str, Any]) -> bool:
    return contained.get("resourceType") == "Media" and instance_of(contained) is not None


def _media(id_: str, image: KeyImage) -> Json:
    extensions: list[Json] = []
    if image.frame is not None:
        extensions.append({"url": FRAME, "valuePositiveInt": image.frame})
    if image.state:
        extensions.append({"url": STATE, "valueOid": f"{UID_PREFIX}{image.state}"})
    made: Json = {"resourceType": "Media", "id": id_} | ({"extension": extensions} if extensions else {})
    return made | {
        "identifier": [{"system": UID_SYSTEM, "value": f"{UID_PREFIX}{image.instance}"}],
        "status": "completed",
        "content": {"contentType": "application/dicom"},
    }
