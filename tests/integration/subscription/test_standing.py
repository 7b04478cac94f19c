"""A Subscription ends with what gave its writer the access; mails go to the writer alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.subscription.standing import ENDED
from healix_fhir.subscription.sweep import sweep
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from smart_auth.store import digest, revoke
from tests.integration.subscription.conftest import Notified, observation
from tests.support.gate import token, user
from tests.support.oauth import app
from tests.support.receiver import Receiver
from tests.support.search import BASE, EVERYONE
from tests.support.topics import to_topic

ALL = "system/*.cruds"
GRANT = """INSERT INTO app_grant (id, client, username, context, code_hash, code_expires)
           VALUES ('g', %s, 'ada', '{}', 'x', now()); UPDATE access_token SET grant_id = 'g'"""
ENDS = {
    "its token is revoked": "UPDATE access_token SET revoked = true",
    "the app's grant is ended": "UPDATE app_grant SET ended = now()",
    "the session of an online grant is over": "UPDATE app_grant SET session = 'gone'",
    "the grant is removed": "DELETE FROM app_grant",
    "the app is closed": "UPDATE client SET disabled = true",
    "the app is removed": "DELETE FROM client",
    "the account is closed": "UPDATE account SET disabled = true",
    "the account is somebody else's": "UPDATE account SET fhir_user = 'Practitioner/e'",
}


def written(clinic: Notified, receiver: Receiver) -> str:
    """A Subscription written by an app of a practitioner; its token."""
    user(clinic.pool, "ada", role="practitioner", fhir_user="Practitioner/d")
    client, _ = app(clinic.pool)
    made = token(clinic.pool, ALL, username="ada", client=client)
    with clinic.pool.connection() as connection:
        for statement in GRANT.split(";"):
            connection.execute(statement.encode(), (client,) if "%s" in statement else None)
    origin = Origin(client, "ada", token=digest(made))
    access = AccessContext(parse(ALL), origin, practitioner="d")
    clinic.subscribe("s", receiver.url, access)
    return made


@pytest.mark.parametrize("why", ENDS)
def test_it_ends_with_its_writers_access(clinic: Notified, receiver: Receiver, why: str) -> None:
    """What waits does not leave, nothing more is counted, and the Subscription says so."""
    written(clinic, receiver)
    clinic.write(observation("o1"))
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute(ENDS[why].encode())
    clinic.deliver()
    assert (clinic.state("s"), receiver.seen, clinic.waiting()) == (("off", ENDED), [], 0)


def test_it_outlives_its_token(clinic: Notified, receiver: Receiver) -> None:
    """A token that expires ends nothing; one that is revoked is seen without any event, too."""
    made = written(clinic, receiver)
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE access_token SET expires = now() - interval '1 hour'")
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    assert len(receiver.seen) == 1
    assert transaction(clinic.pool, lambda: sweep((BASE,), 1)) == 0
    transaction(clinic.pool, lambda: revoke(made))
    assert transaction(clinic.pool, lambda: sweep((BASE,), 1)) == 1
    assert clinic.state("s") == ("off", ENDED)


def mails(clinic: Notified) -> list[tuple[str, str]]:
    """The mails in the outbox."""
    with clinic.pool.connection() as connection:
        return connection.execute("SELECT recipient, text FROM mail ORDER BY seq").fetchall()


@pytest.mark.spec("FHIR R4 subscription.html#2.46.7.3")
@pytest.mark.parametrize(
    ("content", "holds", "lacks"),
    [("empty", "account/", "Observation"), ("id-only", "Observation/o2", "status"), ("full-resource", '"final"', "\0")],
)
def test_mails_go_to_the_writer(clinic: Notified, content: str, holds: str, lacks: str) -> None:
    """Events of a while are one mail, to the confirmed address of the writer's account, with what was asked for."""
    user(clinic.pool, "ada", role="admin")
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'ada@example.org', language = 'de'")
    ada = AccessContext(parse(ALL), Origin(account="ada"))
    asked = to_topic(content=content, channel={"type": "email", "endpoint": "mailto:ada@example.org"})
    clinic.write(asked | {"id": "s"}, ada)
    clinic.write(asked | {"id": "t"}, EVERYONE)
    clinic.events()
    assert clinic.state("s") == ("active", None)
    assert clinic.state("t")[0] == "error"
    for n in (1, 2):
        clinic.write(observation(f"o{n}"))
    clinic.events()
    clinic.deliver()
    ((recipient, text),) = mails(clinic)
    assert (recipient, holds in text, lacks in text) == ("ada@example.org", True, False)
    assert text.startswith("Es gibt 2 Neuigkeiten")
    clinic.write(observation("o3"))
    clinic.events()
    clinic.deliver()
    assert len(mails(clinic)) == 1, "the next mail waits"
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'other@example.org'")
    clinic.due_now()
    clinic.deliver()
    assert (len(mails(clinic)), clinic.state("s")) == (1, ("off", ENDED))


def test_full_mails_can_be_read_by_programs(clinic: Notified) -> None:
    """The notification stands in one line of the mail."""
    user(clinic.pool, "ada", role="admin")
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'ada@example.org'")
    asked: dict[str, Any] = to_topic(content="full-resource", channel={"type": "email", "endpoint": "ada@example.org"})
    clinic.write(asked | {"id": "s"}, AccessContext(parse(ALL), Origin(account="ada")))
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    ((_, text),) = mails(clinic)
    (line,) = [line for line in text.splitlines() if line.startswith("{")]
    assert [entry["resource"]["resourceType"] for entry in json.loads(line)["entry"]] == ["Parameters", "Observation"]
