"""Fetching a patient's earlier studies from a peer: C-FIND, then C-MOVE to this server, a study at a time.

Whatever a peer answers, only studies that it says are the patient's are asked for: one that does not heed PatientID
would send everybody's. They come by C-STORE as all images do.

Spec: PS3.4 C.4.1.2, C.4.2.2 and C.6.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import msgspec
from psycopg import Connection

from dicomweb.dicomjson.implicit import element, text, title, uid
from dicomweb.dicomjson.syntax import IMPLICIT_LITTLE, NATIVE
from dicomweb.dicomjson.walker import walk
from dicomweb.dimse.associate import OUR_TITLE
from dicomweb.dimse.calling import SUCCESS, calling
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.requestor import Requestor, Response
from dicomweb.errand.queue import Errand, Kind
from dicomweb.errand.work import SENDER, WORDS, Done, Performer, RefusedError
from dicomweb.routing.priors import Prior, Rule, Whose, chosen, find, patient_of, present, whose
from dicomweb.uid import is_uid
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, run
from healix_fhir.kernel.errors import HealixError

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MOST_ANSWERS = 500
"""Studies of one patient that are looked at."""
LOW = 2
"""The priority: whoever waits at the peer goes first."""
CHARACTER_SET, STUDY_DATE, LEVEL, MODALITIES = 0x00080005, 0x00080020, 0x00080052, 0x00080061
PATIENT_ID, ISSUER, STUDY_UID = 0x00100020, 0x00100021, 0x0020000D
UTF_8 = "ISO_IR 192"


def fetcher(stop: Event) -> Performer:
    """What fetches the priors of one patient by one rule; a part of the errand is one study."""

    def fetch(connection: Connection[Row], errand: Errand) -> Done:
        rule = run(connection, find(errand.rule))
        if rule is None:
            return Done()
        patient = whose(errand.about)
        with calling(connection, errand.receiver, STUDY_ROOT_FIND, stop) as association:
            found = list(_told(association, patient))
        priors = chosen(rule, found, clock.now().date())
        here = run(connection, present([one.study for one in priors]))
        for place, one in enumerate(priors):
            if place >= errand.after and one.study not in here:
                return _moved(connection, errand, rule, one, place + 1, stop)
        return Done()

    return fetch


def _moved(connection: Connection[Row], errand: Errand, rule: Rule, prior: Prior, after: int, stop: Event) -> Done:
    """Have one study sent to this server."""
    with calling(connection, errand.receiver, STUDY_ROOT_MOVE, stop) as association:
        identifier = title(LEVEL, "STUDY") + uid(STUDY_UID, prior.study)
        context = association.needed(STUDY_ROOT_MOVE)
        last = list(association.answers(context, _command(STUDY_ROOT_MOVE, CommandField.C_MOVE_RQ), [identifier]))[-1]
    failed = int(last.command.get(Element.NumberOfFailedSuboperations, 0))
    if last.status != SUCCESS and not failed:
        raise RefusedError(f"{errand.receiver} answers with the status {last.status:04X}H {last.comment}".rstrip())
    said = f"from {errand.receiver} by rule {rule.name}"
    row = AuditRow(
        Origin(client=SENDER),
        "E",
        WORDS[Kind.PRIORS],
        4 if failed else 0,
        run(connection, patient_of(whose(errand.about))),
        prior.study,
        f"{said}, {failed} failed" if failed else said,
    )
    return Done(after, [row], 0.0, f"{failed} images of {prior.study} did not come" if failed else None)


def _told(association: Requestor, patient: Whose) -> Iterator[Prior]:
    """The studies that the peer has of a patient. Raises PeerError, RefusedError."""
    context = association.needed(STUDY_ROOT_FIND)
    message_id = association.request(context, _command(STUDY_ROOT_FIND, CommandField.C_FIND_RQ), [_query(patient)])
    count = 0
    while (response := association.response(message_id)).is_pending:
        count += 1
        if count == MOST_ANSWERS:
            association.cancel(context, message_id)
        if count <= MOST_ANSWERS and (prior := _prior(response, patient)) is not None:
            yield prior
    if response.status != SUCCESS and count < MOST_ANSWERS:
        raise RefusedError(f"{association.remote} answers with the status {response.status:04X}H {response.comment}")


def _command(sop_class: str, field: CommandField) -> Command:
    command: dict[int, int | str] = {
        Element.AffectedSOPClassUID: sop_class,
        Element.CommandField: field,
        Element.Priority: LOW,
    }
    if field is CommandField.C_MOVE_RQ:
        command[Element.MoveDestination] = OUR_TITLE
    return command


def _query(patient: Whose) -> bytes:
    """The identifier, in implicit VR little endian."""
    plain = all(part.isascii() for part in patient)
    return b"".join(
        [
            b"" if plain else title(CHARACTER_SET, UTF_8),
            element(STUDY_DATE, b""),
            title(LEVEL, "STUDY"),
            element(MODALITIES, b""),
            text(PATIENT_ID, patient.patient_id),
            text(ISSUER, patient.issuer),
            element(STUDY_UID, b""),
        ]
    )


class _Values(msgspec.Struct):
    values: list[object] = msgspec.field(name="Value", default_factory=list)


class _Study(msgspec.Struct):
    day: _Values = msgspec.field(name="00080020", default_factory=_Values)
    modalities: _Values = msgspec.field(name="00080061", default_factory=_Values)
    patient_id: _Values = msgspec.field(name="00100020", default_factory=_Values)
    issuer: _Values = msgspec.field(name="00100021", default_factory=_Values)
    study: _Values = msgspec.field(name="0020000D", default_factory=_Values)


def _prior(response: Response, patient: Whose) -> Prior | None:
    """What one response tells; None when it is not of the patient, or cannot be understood."""
    data = response.data_set or b""
    try:
        told = msgspec.json.decode(walk(data, 0, len(data), NATIVE[IMPLICIT_LITTLE], frozenset()).metadata, type=_Study)
    except (HealixError, msgspec.ValidationError):
        return None
    study, issuer = _first(told.study), _first(told.issuer)
    if _first(told.patient_id) != patient.patient_id or (patient.issuer and issuer not in ("", patient.issuer)):
        return None
    if not is_uid(study):
        return None
    return Prior(study, _first(told.day), frozenset(map(str, filter(None, told.modalities.values))))


def _first(found: _Values) -> str:
    return str(found.values[0]).strip() if found.values and found.values[0] is not None else ""
