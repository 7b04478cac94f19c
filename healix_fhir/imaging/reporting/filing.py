"""Files a signed report, as a durable job: as PDF, as structured report and encapsulated PDF in its study, and by
telling who ordered it.

Everything has an id or a UID that follows from the version, so that a job that was cut off does again what is there
already: the study takes an object once, and the resources come in one transaction, with the mail. Versions of a report
are filed one after the other.

What is hidden is not spread: the resources have the security labels of the report, and a report that somebody is kept
from is not put into its study, which others may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.encode import Content, encode
from dicomweb.dicomjson.model import Members, refused, text_of
from dicomweb.dicomjson.part10 import FileMeta
from dicomweb.dicomjson.read_json import read
from dicomweb.dicomjson.reading import DataSet
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.study.iod import SOP_CLASS
from dicomweb.study.key_images import Mark, Marked, chosen
from dicomweb.study.outcome import Disposition, Duplicates
from dicomweb.study.pictures import Shown
from dicomweb.study.receive import SOP_INSTANCE, Received, Receiver
from dicomweb.study.store import deposit
from healix_fhir.care.reports.record.findings import KeyImage
from healix_fhir.care.reports.record.images import drawn, small
from healix_fhir.care.reports.record.making import labels_of
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.care.tongues import tongues
from healix_fhir.imaging.reporting.edition import Edition, Evidence, Illustration, resource_id
from healix_fhir.imaging.reporting.gathering import gather
from healix_fhir.imaging.reporting.objects import encapsulated, structured
from healix_fhir.imaging.reporting.printed import document
from healix_fhir.imaging.reporting.resources import attachment, binary, communication, reference
from healix_fhir.imaging.reporting.telling import recipient_of, tell
from healix_fhir.interaction.accept import change
from healix_fhir.interaction.patch import patched
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.language.spoken import ENGLISH, speaking
from healix_fhir.kernel.log import get_logger
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.imaging_report import REPORT, SIGNED, instance_of
from healix_fhir.model.json import decode
from healix_fhir.model.key_images import key_images_of
from healix_fhir.operation.report import is_narrowed
from healix_fhir.search.security_labels import is_restricted, label
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

Json = dict[str, Any]
NAME = "reports"
"""Under this name the server files reports."""
ACCESS = internal(NAME)
DOCUMENT = "DocumentReference"
MOST_PICTURES = 8
"""Key images of a document."""
log = get_logger("reports")


class Filer:
    """Files reports over `pool`: objects by way of `receiver`, resources for a server whose base URLs are `bases`, in
    the clinic's `language` for who chose none.
    """

    def __init__(
        self,
        pool: ConnectionPool[Connection[Row]],
        receiver: Receiver,
        bases: tuple[str, ...],
        zone: tzinfo,
        language: str = ENGLISH,
    ) -> None:
        self._pool = pool
        self._receiver = receiver
        self._bases = bases
        self._zone = zone
        self._language = language

    def file(self, report: str, version: int, before: str | None) -> None:
        """File one version; `before` is the UID of the one that it follows. Raises what may pass, so that the job is
        begun again.
        """
        found = transaction(self._pool, lambda: gather(report, version, before, self._zone, self._bases))
        if found is None:
            log.info("a report to be filed is not there any more", version=version)
            return
        patient = str(found.patient["id"])
        narrowed = transaction(self._pool, lambda: is_narrowed(patient))
        images = self._marked(found)
        shown = [_illustration(one) for one in images]
        found = msgspec.structs.replace(found, illustrations=shown, pictures=self._pictures(images))
        studies = [found.known.get(str(one.get("reference")), {}) for one in found.report.get("imagingStudy", ())]
        hides = [found.report, found.order or {}, *(studies if found.pictures else [])]  # whose words are in it, too
        labels = labels_of(hides, narrowed=narrowed)
        made = pdf(document(found))
        if not any(is_restricted(label(one) or "") for one in labels):
            self._into_study(found, made)
        transaction(self._pool, lambda: self._filed(found, made, labels))

    def _marked(self, edition: Edition) -> list[Marked]:
        """The key images of the study that was read: those that the report names, then those that are marked in it."""
        study = edition.study
        if study is None:
            return []
        named = [Mark(one.instance, one.frame, one.comment, one.state) for one in key_images_of(edition.report)]
        return transaction(self._pool, lambda: chosen(ACCESS, study.uid, named))

    def _pictures(self, images: Sequence[Marked]) -> list[KeyImage]:
        """Those that are printed. One that cannot be drawn is left out."""
        pictures: list[KeyImage] = []
        for one in images:
            if len(pictures) == MOST_PICTURES:
                break
            try:
                pictures.append(KeyImage(small(drawn(one, self._receiver.archive)), one.mark.comment))
            except HealixError as error:
                log.info("a key image of a report cannot be drawn", why=error.message)
        return pictures

    def _into_study(self, edition: Edition, made: bytes) -> None:
        """Store the objects of a version in its study. One that is there already, or cannot be there, is left."""
        study = edition.study
        if study is None:
            return
        datasets = [structured(edition, study), encapsulated(edition, study, made)]
        received = [self._received(one) for one in datasets]
        outcomes = deposit(self._pool, self._receiver.archive, ACCESS, received, NAME, Duplicates.KEEP)
        for one in outcomes:
            if one.status is Disposition.REFUSED:
                log.warning("a study does not take a report", sop_class=one.sop_class, why=one.message)

    def _received(self, dataset: DataSet) -> Received:
        members = read(msgspec.json.encode(dataset))
        incoming = self._receiver.begin(
            FileMeta(text_of(members, SOP_CLASS), text_of(members, SOP_INSTANCE), EXPLICIT_LITTLE)
        )
        try:
            for piece in _pieces(members):
                incoming.write(piece)
            return incoming.finish()
        except BaseException:
            incoming.abort()
            raise

    def _filed(self, edition: Edition, made: bytes, labels: Sequence[Json]) -> Work[None]:
        """Write the resources of a version, and tell who ordered it; nothing where that was done, or where the report
        has become a mistake by now, which takes back what is there (withdrawing.py).
        """
        held = yield Statement(
            "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted FOR UPDATE",
            (TYPE_ID[REPORT], edition.report["id"]),
        )
        if not held or decode(bytes(held[0][0])).get("status") not in SIGNED:
            return
        id_ = resource_id(DOCUMENT, edition.uid)
        rows = yield Statement("SELECT 1 FROM resource WHERE type = %s AND id = %s", (TYPE_ID[DOCUMENT], id_))
        if rows:
            return
        told = recipient_of(edition)
        old = resource_id(DOCUMENT, edition.before) if edition.before is not None else None
        if old is not None and not (yield from _is_there(old)):  # as of a report that came from elsewhere
            old = None
        resources = [binary(edition, made, labels), reference(edition, made, labels, old)]
        if told is not None:
            languages = yield from tongues([told], self._language)
            with speaking(languages[told]):
                resources.append(communication(edition, told, labels))
        changes = [change(Method.PUT, one, one["resourceType"], one["id"], self._bases) for one in resources]
        changes.append(self._presented(edition, attachment(edition, made)))
        if old is not None:
            superseded = patched(DOCUMENT, old, lambda one: one | {"status": "superseded"}, self._bases)
            changes.append(Change(Method.PATCH, DOCUMENT, old, patch=superseded))
        yield from commit(ACCESS, changes)
        if told is not None:
            yield from tell(edition, told, self._bases, self._language)

    def _presented(self, edition: Edition, presented: Json) -> Change:
        """The report with its PDF before what it came with, as long as that version is the one that holds."""

        def shown(report: Json) -> Json:
            if instance_of(report) != edition.uid:
                return report
            return report | {"presentedForm": [presented, *report.get("presentedForm", ())]}

        id_ = str(edition.report["id"])
        return Change(Method.PATCH, REPORT, id_, patch=patched(REPORT, id_, shown, self._bases))


def _illustration(one: Marked) -> Illustration:
    state = _evidence(one.state) if one.state is not None else None
    return Illustration(_evidence(one.shown), one.mark.frame, one.mark.comment, state)


def _evidence(shown: Shown) -> Evidence:
    return Evidence(shown.instance.series, shown.instance.instance, shown.instance.sop_class)


def _is_there(id_: str) -> Work[bool]:
    rows = yield Statement(
        "SELECT 1 FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID[DOCUMENT], id_)
    )
    return bool(rows)


def _pieces(members: Members) -> list[bytes]:
    def nowhere(_: str, path: str) -> Content:
        raise refused(path, "its octets are not at hand")

    return [piece for piece in encode(members, nowhere) if isinstance(piece, bytes)]
