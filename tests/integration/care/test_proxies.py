"""Parents see the records of their children as long as a RelatedPerson says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import HealixError
from healix_fhir.search.extract import extract
from healix_fhir.server.migrate import SCRIPTS
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext, restored
from smart_auth.proxies import link, unlink
from smart_auth.queries import CLOSED
from smart_auth.scope import Permission
from smart_auth.store import create_token, digest, disable_user, find
from tests.support.gate import Pool, token, user
from tests.support.search import BASE, Clinic

TODAY = datetime.now(UTC)


def related(id_: str, patient: str, **elements: Any) -> dict[str, Any]:
    """A mother of a patient."""
    return {
        "resourceType": "RelatedPerson",
        "id": id_,
        "patient": {"reference": f"Patient/{patient}"},
        "relationship": [{"coding": [{"code": "MTH"}]}],
        **elements,
    }


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """The patients mum, kid, sis and eve, an observation of each, and mum as mother of kid."""
    clinic = Clinic(pool)
    for id_ in ("mum", "kid", "sis", "eve"):
        subject = {"reference": f"Patient/{id_}"}
        clinic.put(
            {"resourceType": "Patient", "id": id_},
            {"resourceType": "Observation", "id": f"o-{id_}", "status": "final", "code": {}, "subject": subject},
        )
    clinic.put(related("m-kid", "kid"))
    return clinic


def opened(pool: Pool, scope: str, username: str, patient: str | None = None) -> AccessContext:
    """What a new token of an account opens."""
    value = token(pool, scope, username=username, patient=patient)
    return transaction(pool, lambda: find([digest(value)]))[digest(value)].access


def seen(clinic: Clinic, username: str, scope: str = "user/*.rs", patient: str | None = None) -> set[str]:
    """The patients that an account sees."""
    access = opened(clinic.pool, scope, username, patient)
    patients = set(clinic.ids("Patient", access))
    assert set(clinic.ids("Observation", access)) == {f"o-{id_}" for id_ in patients}
    return patients


def test_a_guardian_without_a_record(clinic: Clinic, pool: Pool) -> None:
    """An account that is a RelatedPerson sees that patient and nobody else, as user and as one patient's app."""
    user(pool, "dad", role="patient", fhir_user="RelatedPerson/m-kid")
    assert seen(clinic, "dad") == {"kid"}
    assert seen(clinic, "dad", "patient/*.rs", "kid") == {"kid"}
    assert seen(clinic, "dad", "patient/*.rs", "sis") == set()


def test_a_patient_with_children(clinic: Clinic, pool: Pool) -> None:
    """A patient's account sees its own record, and those of the children it is linked to while it is."""
    user(pool, "mum", role="patient", fhir_user="Patient/mum")
    clinic.put(related("m-sis", "sis"))
    assert seen(clinic, "mum") == {"mum"}
    for id_ in ("m-kid", "m-sis"):
        transaction(pool, lambda id_=id_: link("Mum", f"RelatedPerson/{id_}"))  # type: ignore[misc]
    assert seen(clinic, "mum") == {"mum", "kid", "sis"}
    assert seen(clinic, "mum", "patient/*.rs") == {"mum"}
    assert seen(clinic, "mum", "patient/*.rs", "sis") == {"sis"}
    access = opened(pool, "patient/*.rs", "mum", "kid")
    assert transaction(pool, lambda: unlink("mum", "RelatedPerson/m-kid"))
    assert not transaction(pool, lambda: unlink("mum", "RelatedPerson/m-kid"))
    assert seen(clinic, "mum") == {"mum", "sis"}
    assert clinic.ids("Patient", transaction(pool, lambda: restored(access.captured(), CLOSED))) == []


@pytest.mark.parametrize(
    ("elements", "open_"),
    [
        ({"active": True}, True),
        ({"active": False}, False),
        ({"period": {"start": (TODAY + timedelta(days=2)).date().isoformat()}}, False),
        ({"period": {"end": (TODAY - timedelta(days=2)).date().isoformat()}}, False),
        (
            {"period": {"end": (TODAY + timedelta(hours=2)).date().isoformat()}},
            True,
        ),  # today, but for the last hours of it
        ({"period": {"start": "2020", "end": "9999-12"}}, True),
        ({"patient": {"reference": "Patient/sis"}}, False),
        ({"patient": {"reference": f"{BASE}/Patient/kid"}}, True),
        ({"patient": {"reference": "https://elsewhere.test/fhir/Patient/kid"}}, False),
    ],
)
def test_the_link_holds_as_its_resource_says(clinic: Clinic, pool: Pool, elements: Any, open_: bool) -> None:
    """Each change of the RelatedPerson opens or closes at once, for tokens that are there already."""
    user(pool, "dad", role="patient", fhir_user="RelatedPerson/m-kid")
    access = opened(pool, "patient/*.rs", "dad", "kid")
    assert clinic.ids("Patient", access) == ["kid"]
    clinic.put(related("m-kid", "kid") | elements)
    assert clinic.ids("Patient", access) == (["kid"] if open_ else [])
    clinic.put(related("m-kid", "kid"))
    assert clinic.ids("Patient", access) == ["kid"]
    clinic.delete("RelatedPerson", "m-kid")
    assert clinic.ids("Patient", access) == []


def test_nobody_lets_themselves_in(clinic: Clinic, pool: Pool) -> None:
    """No resource of one's own opens another's record, and a guardian does not change what lets them in."""
    user(pool, "eve", role="patient", fhir_user="Patient/eve")
    user(pool, "dad", role="patient", fhir_user="RelatedPerson/m-kid")
    clinic.put(related("e", "eve"))
    clinic.put(
        {"resourceType": "Patient", "id": "eve", "link": [{"other": {"reference": "RelatedPerson/m-kid"}}]},
        {
            "resourceType": "Person",
            "id": "e",
            "link": [{"target": {"reference": ref}} for ref in ("Patient/eve", "RelatedPerson/m-kid")],
        },
    )
    assert seen(clinic, "eve") == {"eve"}
    longer = related("m-kid", "kid", period={"end": "2099"})
    for name, scope, patient in (
        ("dad", "user/*.cruds", None),
        ("dad", "patient/*.cruds", "kid"),
        ("eve", "user/*.cruds", None),
    ):
        access = opened(pool, scope, name, patient)
        change = Change(Method.PUT, "RelatedPerson", "m-kid", longer, extract(longer, "RelatedPerson", (BASE,)))
        with pytest.raises(HealixError):
            transaction(pool, lambda: commit(access, [change]))  # noqa: B023 - it runs at once
    access = opened(pool, "user/*.cruds", "dad")
    kid, eve = (clinic.keys(id_)[id_] for id_ in ("kid", "eve"))
    held = [transaction(pool, lambda: access.may_hold("Observation", Permission.CREATE, [key])) for key in (kid, eve)]  # noqa: B023
    assert held == [True, False]


def test_closed_accounts_act_for_nobody(clinic: Clinic, pool: Pool) -> None:
    """What was captured of an account opens nothing when the account is closed."""
    user(pool, "dad", role="patient", fhir_user="RelatedPerson/m-kid")
    access = opened(pool, "user/*.rs", "dad")
    captured = access.captured()
    assert clinic.ids("Patient", transaction(pool, lambda: restored(captured, CLOSED))) == ["kid"]
    transaction(pool, lambda: disable_user("dad"))
    assert clinic.ids("Patient", transaction(pool, lambda: restored(captured, CLOSED))) == []


@pytest.mark.parametrize(
    ("username", "related_person"),
    [
        ("nobody", "RelatedPerson/a"),
        ("dr", "RelatedPerson/a"),
        ("mum", "Patient/a"),
        ("mum", "RelatedPerson/"),
        ("mum", "a"),
    ],
)
def test_what_cannot_be_linked(pool: Pool, username: str, related_person: str) -> None:
    """Only patients' accounts are linked, and only to RelatedPersons."""
    user(pool, "mum", role="patient", fhir_user="Patient/mum")
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
    with pytest.raises(HealixError):
        transaction(pool, lambda: link(username, related_person))


def test_links_are_bounded(pool: Pool) -> None:
    """An account acts for fifty patients at most."""
    user(pool, "mum", role="patient", fhir_user="Patient/mum")
    for n in range(50):
        transaction(pool, lambda n=n: link("mum", f"RelatedPerson/r{n}"))  # type: ignore[misc]
    with pytest.raises(HealixError, match="at most 50"):
        transaction(pool, lambda: link("mum", "RelatedPerson/more"))


def test_a_token_costs_one_statement(clinic: Clinic, pool: Pool) -> None:
    """Who a token's user acts for is found with the token."""
    user(pool, "dad", role="patient", fhir_user="RelatedPerson/m-kid")
    value = transaction(pool, lambda: create_token("user/*.rs", username="dad"))
    assert clinic.statements(find([digest(value)])) == 1


OLDER: Sequence[tuple[str, str, bool]] = (
    ("open", "{}", True),
    ("gone", '{"period": {"end": "2020-02"}}', False),
    ("later", '{"period": {"start": "2099"}}', False),
    ("now", '{"active": true, "period": {"start": "2020-01-01", "end": "2099-01-01T10:00:00.5+02:00"}}', True),
    ("off", '{"active": false}', False),
)


def test_related_persons_of_an_older_store(postgres_url: str) -> None:
    """The migration reads what the RelatedPersons that are there say."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE proxies")
    url = postgres_url.replace("/postgres?", "/proxies?")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection_:
        config.attributes["connection"] = connection_
        command.upgrade(config, "0022")
        for number, (id_, body, _) in enumerate(OLDER):
            connection_.exec_driver_sql(
                "INSERT INTO resource (pk, type, id, version, updated, pat, deleted, method, present, toks, body)"
                " VALUES (%s, 114, %s, 1, now(), 5, false, 'PUT', '', '{}', %s)",
                (number, id_, body.encode()),
            )
        command.upgrade(config, "head")
        found = connection_.exec_driver_sql(
            "SELECT practitioner, (starts IS NULL OR starts <= now()) AND (ends IS NULL OR ends > now())"
            " FROM care_relationship WHERE pat = 5 AND source = practitioner"
        ).fetchall()
    engine.dispose()
    expected = {f"RelatedPerson/{id_}": open_ for id_, _, open_ in OLDER if id_ != "off"}
    assert dict(found) == expected
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE proxies WITH (FORCE)")
