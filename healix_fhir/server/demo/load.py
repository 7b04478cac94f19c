"""Loads the demo clinic once, and tells how to get in."""

from __future__ import annotations

import json
from pathlib import Path

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.database import Row, open_pool, transaction
from healix_fhir.kernel.settings import Settings
from healix_fhir.model.json import encode
from healix_fhir.server.demo import ct, people
from healix_fhir.server.demo.readings import readings
from healix_fhir.server.importing.bundles import BundleImport
from healix_fhir.server.importing.measurements import Intake
from healix_fhir.server.importing.report import Place, Report
from healix_fhir.server.parameter_watch import watching
from smart_auth.access import internal

USERS = (
    ("clinician", "practitioner", f"Practitioner/{people.PRACTITIONER}"),
    ("patient", "patient", "Patient/demo-jonas"),
    ("admin", "admin", None),
)
CT_PATIENT = people.PEOPLE[1]
TOKEN_SECONDS = 24 * 3600


def load(settings: Settings) -> list[str]:
    """Make the demo data unless it is there; the lines to print: logins, and a token that is new at each start."""
    from smart_auth.store import create_token

    note = settings.data_dir / "demo.json"
    with open_pool(settings.database_url, size=2) as pool, watching(settings.database_url):
        if not note.exists():
            password = ids.secret()[:16]
            _patients(pool, settings)
            _readings(pool, settings)
            _study(pool, settings)
            _users(pool, password)
            _write_private(note, {"password": password})
        password = json.loads(note.read_text(encoding="utf-8"))["password"]
        token = transaction(pool, lambda: create_token("system/*.rs", client="demo", ttl=TOKEN_SECONDS))
    names = ", ".join(name for name, _, _ in USERS)
    return [
        "",
        "Demo",
        f"  Log in as {names} with the password {password}",
        f"  Token     {token}",
        f"  Try       curl -H 'Authorization: Bearer {token}' {settings.root}/fhir/Patient",
    ]


def _readings(pool: ConnectionPool[Connection[Row]], settings: Settings) -> None:
    for patient, measured in readings(clock.now()):
        intake = Intake(pool, (settings.fhir_base,), patient, None)
        intake.take(measured, "demo readings")
        if intake.report.refused:
            raise RuntimeError(f"the demo data is refused: {intake.report.items}")


def _patients(pool: ConnectionPool[Connection[Row]], settings: Settings) -> None:
    report = Report()
    intake = BundleImport(pool, (settings.fhir_base,), report)
    for number, bundle in enumerate(people.bundles(clock.now()), 1):
        intake.take(Place("demo bundle", number), encode(bundle))
    if report.refused:
        raise RuntimeError(f"the demo data is refused: {report.items}")


def _study(pool: ConnectionPool[Connection[Row]], settings: Settings) -> None:
    from dicomweb.archive.opening import open_archive
    from dicomweb.index.further import read
    from dicomweb.study.outcome import Disposition
    from dicomweb.study.receive import Receiver
    from dicomweb.study.store import deposit

    archive = open_archive(settings)
    receiver = Receiver(archive, catalogue=read(settings.dicom_attributes))
    received = []
    _, mrn, family, given, gender, birth, _ = CT_PATIENT
    for content in ct.files(mrn, f"{family}^{given}", birth.replace("-", ""), "M" if gender == "male" else "F"):
        incoming = receiver.begin()
        incoming.write(content)
        received.append(incoming.finish())
    outcomes = deposit(pool, archive, internal("demo"), received, "import")
    if any(outcome.status is Disposition.REFUSED for outcome in outcomes):
        raise RuntimeError(f"the demo study is refused: {[outcome.message for outcome in outcomes]}")


def _users(pool: ConnectionPool[Connection[Row]], password: str) -> None:
    from smart_auth.oauth.passwords import hash_password
    from smart_auth.store import create_user, find_account

    hashed = hash_password(password)
    for name, role, fhir_user in USERS:
        if transaction(pool, lambda name=name: find_account(name)) is None:  # type: ignore[misc]
            transaction(
                pool,
                lambda name=name, role=role, fhir_user=fhir_user: create_user(  # type: ignore[misc]
                    name, role=role, fhir_user=fhir_user, password_hash=hashed
                ),
            )


def _write_private(path: Path, content: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")
