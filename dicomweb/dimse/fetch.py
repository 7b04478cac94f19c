"""Fetching a patient's earlier studies from a peer: C-FIND, then C-MOVE to this server, a study at a time.

Whatever a peer answers, only studies that it says are the patient's are asked for: one that does not heed PatientID
would send everybody's. They come by C-STORE as all images do.

Spec: PS3.4 C.4.1.2, C.4.2.2 and C.6.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from psycopg import Connection

from dicomweb.dicomjson.model import Member, Members, text_of
from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.calling import SUCCESS, meaning, remote
from dicomweb.dimse.command import Priority
from dicomweb.dimse.identifier import text
from dicomweb.dimse.query_retrieve import QUERY_RETRIEVE_LEVEL, Entity
from dicomweb.dimse.requestor import PeerError, Remote
from dicomweb.dimse.retrieving import found, keys, moved
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import SENDER, WORDS, Done, Performer, RefusedError
from dicomweb.routing.priors import Prior, Rule, Whose, chosen, find, patient_of, present, whose
from dicomweb.uid import is_uid
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, run
from healix_fhir.kernel.errors import HealixError

MOST_ANSWERS = 500
"""Studies of one patient that are looked at."""
STUDY_DATE, MODALITIES = 0x00080020, 0x00080061
PATIENT_ID, ISSUER, STUDY_UID = 0x00100020, 0x00100021, 0x0020000D


def fetcher(stop: Event) -> Performer:
    """What fetches the priors of one patient by one rule; a part of the errand is one study.

    Whoever waits at the peer goes first.
    """

    def fetch(connection: Connection[Row], errand: Errand) -> Done:
        rule = run(connection, find(errand.rule))
        if rule is None:
            return Done()
        patient = whose(errand.about)
        to = remote(connection, errand.receiver)
        with _told():
            answers = list(found(to, _query(patient), most=MOST_ANSWERS, priority=Priority.LOW, stop=stop))
        priors = chosen(rule, list(_priors(answers, patient)), clock.now().date())
        here = run(connection, present([one.study for one in priors]))
        for place, one in enumerate(priors):
            if place >= errand.after and one.study not in here:
                return _moved(connection, errand, to, rule, one, place + 1, stop)
        return Done()

    return fetch


def _moved(
    connection: Connection[Row], errand: Errand, to: Remote, rule: Rule, prior: Prior, after: int, stop: Event
) -> Done:
    """Have one study sent to this server."""
    with _told():
        *_, last = moved(to, keys(Entity.STUDY, [prior.study]), OUR_TITLE, priority=Priority.LOW, stop=stop)
    if last.status not in (SUCCESS, RetrieveStatus.WARNING) and not last.failed:
        raise RefusedError(f"{errand.receiver} answers with the status {last.status:04X}H {last.comment}".rstrip())
    said = f"from {errand.receiver} by rule {rule.name}"
    row = AuditRow(
        Origin(client=SENDER),
        "E",
        WORDS[Kind.PRIORS],
        4 if last.failed else 0,
        run(connection, patient_of(whose(errand.about))),
        prior.study,
        f"{said}, {last.failed} failed" if last.failed else said,
    )
    return Done(after, [row], 0.0, f"{last.failed} images of {prior.study} did not come" if last.failed else None)


@contextmanager
def _told() -> Iterator[None]:
    """What the peer does wrong, or refuses, as the errand knows it."""
    try:
        yield
    except PeerError as error:
        raise meaning(error) from error
    except HealixError as error:
        raise RefusedError(error.message) from error


def _query(patient: Whose) -> Members:
    return {
        STUDY_DATE: Member("DA"),
        QUERY_RETRIEVE_LEVEL: Member("CS", [Entity.STUDY.value]),
        MODALITIES: Member("CS"),
        PATIENT_ID: Member("LO", [patient.patient_id]),
        ISSUER: Member("LO", [patient.issuer] if patient.issuer else ()),
        STUDY_UID: Member("UI"),
    }


def _priors(answers: list[Members], patient: Whose) -> Iterator[Prior]:
    """What the answers tell; not those that are not of the patient, or cannot be understood."""
    for one in answers:
        study, issuer = text_of(one, STUDY_UID), text_of(one, ISSUER)
        is_issuers = not patient.issuer or issuer in ("", patient.issuer)
        if text_of(one, PATIENT_ID) == patient.patient_id and is_issuers and is_uid(study):
            modalities = text(one[MODALITIES]).split("\\") if MODALITIES in one else ()
            yield Prior(study, text_of(one, STUDY_DATE), frozenset(filter(None, modalities)))
