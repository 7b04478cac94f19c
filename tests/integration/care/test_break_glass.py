"""Break-glass: what it opens, for whom, until when, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from healix_fhir.care import break_glass_notice
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import Statement, Work, run
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.break_glass import open_record
from healix_fhir.store.commit import commit
from healix_fhir.store.read import read
from healix_fhir.store.stored import Method
from smart_auth import break_glass
from smart_auth.access import AccessContext
from smart_auth.break_glass import Opening, Terms
from smart_auth.patients import patient_keys
from smart_auth.scope import Permission, parse
from tests.support.fhir_server import change, do, rows
from tests.support.gate import Pool
from tests.support.search import BASE, Clinic

DOCTOR = AccessContext(parse("user/*.cruds"), Origin("app", "dr"), practitioner="d")
REASON = "unconscious in the emergency room"


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient in nobody's care with an observation and a note of it."""
    clinic = Clinic(pool)
    subject = {"subject": {"reference": "Patient/p"}}
    clinic.put(
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, **subject},
    )
    return clinic


def opened(pool: Pool, access: AccessContext = DOCTOR, reason: str = REASON, patient: str = "p") -> Opening:
    """The glass is broken."""
    return do(pool, lambda: open_record(access, patient, reason, Terms()))


def sees(clinic: Clinic, access: AccessContext = DOCTOR) -> bool:
    """Whether the patient's observation is found, and read, which must agree."""
    found = clinic.ids("Observation", access) == ["o"]
    assert (clinic.ids("Observation", replace(access, wide=True)) == ["o"]) is found
    if found:
        assert do(clinic.pool, lambda: read(access, "Observation", "o")).id == "o"
    else:
        with pytest.raises(HealixError) as refusal:
            do(clinic.pool, lambda: read(access, "Observation", "o"))
        assert refusal.value.category is Category.NOT_FOUND
    return found


def age(pool: Pool, hours: float) -> None:
    """Let time pass for what is open."""
    with pool.connection() as connection:
        past = timedelta(hours=hours)
        connection.execute("UPDATE break_glass SET opened = opened - %s, ends = ends - %s", (past, past))
        connection.execute(
            "UPDATE care_relationship SET starts = starts - %s, ends = ends - %s WHERE emergency", (past, past)
        )


def test_it_opens_one_record_to_one_clinician_until_its_time_is_over(clinic: Clinic, pool: Pool) -> None:
    """A clinician sees the record from the opening on, others never; after four hours it is closed by itself."""
    assert not sees(clinic)
    opened(pool)
    assert sees(clinic)
    assert not sees(clinic, AccessContext(parse("user/*.cruds"), practitioner="e"))
    age(pool, 3.99)
    assert sees(clinic)
    age(pool, 0.02)
    assert not sees(clinic)


def test_it_can_be_ended(clinic: Clinic, pool: Pool) -> None:
    """Who opened it ends it early; another's end ends nothing; an administrator ends it by its id."""
    first = opened(pool)
    assert do(pool, lambda: break_glass.end(Origin(), patient="p", practitioner="e")) == 0
    assert sees(clinic)
    assert do(pool, lambda: break_glass.end(Origin(), patient="p", practitioner="d")) == 1
    assert not sees(clinic)
    second = opened(pool)
    assert do(pool, lambda: break_glass.end(Origin(), id_=first.id)) == 0
    assert do(pool, lambda: break_glass.end(Origin("healix"), id_=second.id)) == 1
    assert not sees(clinic)
    listed = do(pool, break_glass.openings)
    assert [one.id for one in listed] == [second.id, first.id]
    assert not any(one.open for one in listed)


@pytest.mark.parametrize(
    ("access", "reason", "patient", "category"),
    [
        (DOCTOR, "", "p", Category.INVALID),
        (DOCTOR, "   \n  a  ", "p", Category.INVALID),
        (DOCTOR, "x" * 1001, "p", Category.INVALID),
        (DOCTOR, REASON, "nobody", Category.NOT_FOUND),
        (AccessContext(parse("user/Observation.rs"), practitioner="d"), REASON, "p", Category.FORBIDDEN),
        (AccessContext(parse("user/Patient.s"), practitioner="d"), REASON, "p", Category.FORBIDDEN),
        (AccessContext(parse("patient/*.rs"), patient="q", pat=9, practitioner="d"), REASON, "p", Category.FORBIDDEN),
        (AccessContext(parse("patient/*.rs"), patient="q", pat=9), REASON, "p", Category.FORBIDDEN),
        (AccessContext(parse("system/*.cruds")), REASON, "p", Category.FORBIDDEN),
    ],
)
def test_it_is_refused(
    clinic: Clinic, pool: Pool, access: AccessContext, reason: str, patient: str, category: Category
) -> None:
    """Nothing opens without a reason, for a patient who does not exist, or for any but a clinician with user scopes."""
    with pytest.raises(HealixError) as refusal:
        opened(pool, access, reason, patient)
    assert refusal.value.category is category
    assert rows(pool, "SELECT 1 FROM care_relationship") == []


def test_nobody_opens_the_whole_hospital(clinic: Clinic, pool: Pool) -> None:
    """A clinician has a limited number of records open at once."""
    for _ in range(break_glass.OPEN_AT_ONCE):
        opened(pool)
    with pytest.raises(HealixError) as refusal:
        opened(pool)
    assert refusal.value.category is Category.CONFLICT


STATING: list[Callable[[], dict[str, Any]]] = [
    lambda: {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": "Patient/p"},
        "participant": [{"member": {"reference": "Practitioner/d"}}],
    },
    lambda: {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "EMER"},
        "subject": {"reference": "Patient/p"},
    },
    lambda: {
        "resourceType": "Appointment",
        "status": "booked",
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
    },
    lambda: {"resourceType": "Patient", "generalPractitioner": [{"reference": "Practitioner/d"}]},
]


@pytest.mark.parametrize("method", [Method.POST, Method.PUT])
@pytest.mark.parametrize("made", STATING)
def test_nobody_makes_an_emergency_last(
    clinic: Clinic, pool: Pool, made: Callable[[], dict[str, Any]], method: Method
) -> None:
    """Under break-glass a clinician documents, but writes nothing that states who cares for the patient."""
    opened(pool)
    resource = made()
    id_ = "p" if resource["resourceType"] == "Patient" else "new"
    if method is Method.PUT and id_ == "new":
        clinic.put(resource | {"id": id_, "language": "de"})
    with pytest.raises(HealixError) as refusal:
        do(pool, lambda: commit(DOCTOR, [change(method, resource, id_ if method is Method.PUT else "other")]))
    assert refusal.value.category is Category.FORBIDDEN
    note = {"resourceType": "Observation", "status": "final", "code": {"text": "y"}}
    written = change(Method.POST, note | {"subject": {"reference": "Patient/p"}}, "n")
    assert do(pool, lambda: commit(DOCTOR, [written]))[0].created


def test_patient_and_privacy_officer_are_told(clinic: Clinic, pool: Pool) -> None:
    """An opening is a Communication in the patient's record, once, to patient and officer; each gets a mail as well."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash, mail) VALUES"
            " ('ada', 'patient', 'Patient/p', '', 'ada@example.org'),"
            " ('eve', 'patient', 'Patient/q', '', 'eve@example.org'),"
            " ('po', 'practitioner', 'Practitioner/officer', '', 'officer@example.org')"
        )
    one = opened(pool)
    consumer = break_glass_notice.consumer("Practitioner/officer", (BASE,))
    with pool.connection() as connection:
        while drain(connection, {"break-glass": [consumer]}):
            pass
    patient = clinic.access("patient/*.rs", patient="p")
    (told,) = clinic.page("Communication?category=notification", patient).entries
    assert told.id == one.id
    assert told.version == 1
    for part in (b'"Practitioner/officer"', b'"Patient/p"', b'"Practitioner/d"', b"BTG", REASON.encode()):
        assert part in told.body
    assert rows(pool, "SELECT 1 FROM outbox WHERE topic = 'break-glass'") == []
    mails = rows(pool, "SELECT recipient, subject || text FROM mail ORDER BY 1")
    assert [to for to, _ in mails] == ["ada@example.org", "officer@example.org"]
    assert not any(word in text for _, text in mails for word in (REASON, "Practitioner", "Patient/p"))


def test_a_patient_is_told_of_an_opening_in_their_language(clinic: Clinic, pool: Pool) -> None:
    """The Communication in their record is in the language that they chose, the officer's mail in the clinic's."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash, mail, language) VALUES"
            " ('ada', 'patient', 'Patient/p', '', 'ada@example.org', 'fr'),"
            " ('po', 'practitioner', 'Practitioner/officer', '', 'officer@example.org', NULL)"
        )
    opened(pool)
    consumer = break_glass_notice.consumer("Practitioner/officer", (BASE,), "de")
    with pool.connection() as connection:
        while drain(connection, {"break-glass": [consumer]}):
            pass
    (told,) = clinic.page("Communication?category=notification", clinic.access("patient/*.rs", patient="p")).entries
    (payload,) = decode_stored(told.body)["payload"]
    assert payload["contentString"].startswith("Un soignant qui ne vous suivait pas")
    assert f"Raison indiquée : {REASON}" in payload["contentString"]
    subjects = rows(pool, "SELECT recipient, subject FROM mail ORDER BY 1")
    assert [subject.partition(" ")[0] for _, subject in subjects] == ["Accès", "Notfallzugriff"], subjects


@pytest.mark.parametrize(("column", "open_"), [("starts", True), ("ends", False)])
def test_a_relationship_begins_with_its_first_instant_and_ends_before_its_last(
    clinic: Clinic, pool: Pool, column: str, open_: bool
) -> None:
    """A relationship that starts at this very instant is one, one that ends at it is none."""

    def work() -> Work[bool]:
        keys = yield from patient_keys(["p"])
        yield Statement(
            f"INSERT INTO care_relationship (practitioner, pat, source, {column}) VALUES ('d', %s, 'test', now())",
            (keys["p"],),
        )
        seen = DOCTOR.predicate("Observation", Permission.READ, "r")
        found = yield Statement(f"SELECT r.id FROM resource r WHERE r.id = 'o' AND {seen.sql}", seen.params)
        return bool(found)

    assert do(pool, work) is open_


def test_records_opened_at_once_are_counted(clinic: Clinic, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two openings of one clinician at the same moment do not pass the limit together; another clinician waits not."""
    monkeypatch.setattr(break_glass, "OPEN_AT_ONCE", 1)
    clinic.put({"resourceType": "Patient", "id": "q"}, {"resourceType": "Patient", "id": "r"})
    colleague = replace(DOCTOR, practitioner="e")
    with ThreadPoolExecutor(1) as threads:
        with pool.connection() as connection, connection.transaction():  # it is not over yet
            run(connection, open_record(DOCTOR, "p", REASON, Terms()))
            opened(pool, colleague, patient="r")
            second = threads.submit(opened, pool, patient="q")
            with pytest.raises(Late):
                second.result(timeout=0.2)
        with pytest.raises(HealixError) as refusal:
            second.result(timeout=60)
    assert refusal.value.category is Category.CONFLICT
