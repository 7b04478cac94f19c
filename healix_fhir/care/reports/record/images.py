"""Key images of reports: what a DiagnosticReport points at as media, and of each of its studies those that are marked
in it (dicomweb/study/key_images.py), else the image that stands for it. A Media that holds no picture names an image of
the report's studies by its identifier, the SOP Instance UID.

Pictures are opened one after the other, and made small before the next; what is no picture, too large, not to be seen
or in another patient's record is counted: the document lies in this patient's record, where others read it.

Spec: FHIR R4, hl7.org/fhir/R4/diagnosticreport-definitions.html#DiagnosticReport.media
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from dicomweb.api.picture import drawing, representative_frame, stored_of
from dicomweb.archive.blobs import Archive
from dicomweb.pixel.rendering import Look
from dicomweb.study.key_images import Mark, Marked, key_images, marked
from dicomweb.study.pictures import representative
from healix_fhir.care.reports.record.findings import KeyImage
from healix_fhir.care.reports.record.gathering import NAME
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, not_found
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.model.json import decode_stored
from healix_fhir.model.key_images import named_by
from healix_fhir.search.matched import conditions, matched
from healix_fhir.search.params.reference import target
from smart_auth.access import AccessContext

Json = dict[str, Any]
Run = Callable[[Callable[[], Work[Any]]], Any]
"""Does one piece of work in a transaction of its own."""
Opened = tuple[bytes, list[Json]]
"""A picture, and the resources that hold it."""
KEPT = ("resourceType", "id", "meta")
MOST, MOST_OF_ONE = 12, 4
"""Pictures of a document, and of one report."""
MOST_STUDIES = 10
"""Studies of a report in which an image is looked for that it names."""
HEAVIEST = 12 << 20
"""Bytes of the resource that holds a picture."""
MOST_PIXELS = 24_000_000
SIDE = 900
"""Pixels of the longer side that is printed."""
FORMATS = ("PNG", "JPEG")
UID = "urn:dicom:uid"


class Images:
    """Finds the key images of reports of a patient, as far as `access` sees them.

    `lost` are those that could not be had; `shown`, the type, id and meta of the resources whose pictures were taken.
    """

    def __init__(self, run: Run, access: AccessContext, patient: str, bases: tuple[str, ...], archive: Archive) -> None:
        self._run = run
        self._access = access
        self._patient = f"Patient/{patient}"
        self._bases = bases
        self._archive = archive
        self.lost = 0
        self.shown: list[Json] = []

    def of(self, reports: Sequence[Json]) -> dict[str, list[KeyImage]]:
        """The pictures by the report's id."""
        found: dict[str, list[KeyImage]] = {}
        left = MOST
        for one in reports:
            taken = self._of_report(one, min(left, MOST_OF_ONE)) if left else []
            left -= len(taken)
            if taken:
                found[one["id"]] = taken
        return found

    def _of_report(self, report: Json, most: int) -> list[KeyImage]:
        taken: list[KeyImage] = []
        for open_picture, comment in self._pointed_at(report):
            if len(taken) == most:
                break
            try:
                picture, holders = open_picture()
                taken.append(KeyImage(small(picture), comment))
            except HealixError:
                self.lost += 1
            else:
                self.shown += [{name: one[name] for name in KEPT if name in one} for one in holders]
        return taken

    def _pointed_at(self, report: Json) -> Iterator[tuple[Callable[[], Opened], str]]:
        for media in report.get("media", ()):
            link = media.get("link", {}).get("reference", "")
            yield partial(self._of_media, report, link), media.get("comment", "")
        for study in report.get("imagingStudy", ()):
            yield from self._marked_in(study.get("reference", ""), study.get("display", ""))

    def _marked_in(self, link: str, comment: str) -> Iterator[tuple[Callable[[], Opened], str]]:
        """What is marked in a study, else what stands for it."""
        try:
            study = self._resource(link, "ImagingStudy", patient=True)
            found = self._run(lambda: key_images(self._access, uid_of(study)))
        except HealixError:
            found = []  # what keeps it from being read is met, and counted, once more
        for one in found:
            yield partial(self._drawn, one, study), one.mark.comment or comment
        if not found:
            yield partial(self._of_study, link), comment

    def _drawn(self, one: Marked, study: Json) -> Opened:
        return drawn(one, self._archive), [study]

    def _of_media(self, report: Json, link: str) -> Opened:
        inside = [one for one in report.get("contained", ()) if link == f"#{one.get('id')}"]
        media = inside[0] if inside else self._resource(link, "Media", patient=True)
        content, holders = media.get("content", {}), [] if inside else [media]
        data = content.get("data")
        if not data and uid_of(media):
            named = named_by(media)
            return self._named(report, Mark(named.instance, named.frame, state=named.state), holders)
        if not data:
            binary = self._resource(content.get("url", ""), "Binary")
            if binary.get("securityContext", {}).get("reference", self._patient) != self._patient:
                raise not_found("there is no picture")
            data, holders = binary.get("data"), [*holders, binary]
        if not data:
            raise not_found("there is no picture")
        return base64.b64decode(data), holders

    def _named(self, report: Json, mark: Mark, holders: list[Json]) -> Opened:
        """An image of one of the report's studies."""
        for one in report.get("imagingStudy", ())[:MOST_STUDIES]:
            study = self._resource(one.get("reference", ""), "ImagingStudy", patient=True)
            found = self._run(partial(marked, self._access, uid_of(study), [mark]))
            if found:
                return drawn(found[0], self._archive), [*holders, study]
        raise not_found("there is no picture")

    def _of_study(self, link: str) -> Opened:
        study = self._resource(link, "ImagingStudy", patient=True)
        shown = self._run(lambda: representative(self._access, uid_of(study)))
        drawn = drawing(shown, (representative_frame(shown),), Look(), ())
        return b"".join(drawn.made(self._archive).make()), [study]

    def _resource(self, link: str, type_name: str, *, patient: bool = False) -> Json:
        """A resource that a link leads to, with `patient` one of this record.

        Raises NotFound for what is not there, not to be seen, or too large.
        """
        place = target(link, self._bases) if link else None
        if place is None or place[0] is None or TYPE_NAME[place[0]] != type_name:
            raise not_found("there is no picture")
        params = [("_id", place[1]), *([("patient", self._patient)] if patient else [])]
        query = conditions(type_name, params, NAME, self._bases[0])
        found = self._run(lambda: matched(self._access, query, 1, self._bases[0], cut=True, heaviest=HEAVIEST))
        if not found or not found[0].body:
            raise not_found("there is no picture")
        return decode_stored(found[0].body)


def drawn(one: Marked, archive: Archive, look: Look | None = None) -> bytes:
    """The picture of an image that is marked, as WADO-RS renders it, or its presentation state. Raises HealixError for
    what cannot be rendered.
    """
    number = one.mark.frame or representative_frame(one.shown)
    state = stored_of(one.state) if one.state is not None else None
    return b"".join(drawing(one.shown, (number,), look or Look(), (), state).made(archive).make())


def uid_of(resource: Json) -> str:
    """The DICOM UID of an ImagingStudy, or of the image that a Media is; empty where it has none."""
    uids = (str(one.get("value", "")) for one in resource.get("identifier", ()) if one.get("system") == UID)
    return next(uids, "").removeprefix("urn:oid:")


def small(picture: bytes) -> bytes:
    """A picture as a JPEG that is large enough to be printed. Raises NotFound for none, or one with too many pixels."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(picture), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise not_found("the picture is too large")
            image.draft("RGB", (SIDE, SIDE))
            image.thumbnail((SIDE, SIDE))
            written = io.BytesIO()
            image.convert("RGB").save(written, "JPEG", quality=88)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise not_found("there is no picture") from error
    return written.getvalue()
