"""Registering: from the form over the mail to the account, and all that must not become one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from healix_fhir.kernel.audit import OPERATOR, Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.operation.break_glass import open_record
from healix_fhir.pages.account import chosen
from smart_auth.access import AccessContext
from smart_auth.account.invitation import invite
from smart_auth.break_glass import Terms
from smart_auth.oauth import passwords
from smart_auth.scope import parse
from tests.integration.pages.test_authorize import browsing
from tests.support.gate import Pool
from tests.support.mailbox import Mailbox, Received
from tests.support.portal import account, csrf, sign_in
from tests.support.query_recorder import query_recorder

pytestmark = pytest.mark.usefixtures("records")

SECRET = "seven quiet lighthouses"
ADA = {"identifier": "HX-1", "birthdate": "1990-05-17", "email": "Ada@Example.org", "username": "ada"}


async def register(client: httpx.AsyncClient, **changed: str) -> httpx.Response:
    """Fill in the form."""
    page = await client.get("/account/register")
    return await client.post("/account/register", data=ADA | {"password": SECRET, "csrf": csrf(page)} | changed)


async def confirm(client: httpx.AsyncClient, mail: Received) -> httpx.Response:
    """Follow the link of a mail and press the button."""
    page = await client.get(mail.link)
    ticket = mail.link.partition("ticket=")[2]
    return await client.post(mail.link.partition("?")[0], data={"ticket": ticket, "csrf": csrf(page)})


async def worked(mailbox: Mailbox) -> list[Received]:
    """The mails after the worker has worked."""
    return await asyncio.to_thread(mailbox.collect)


def accounts(pool: Pool) -> list[tuple[Any, ...]]:
    """All accounts."""
    with pool.connection() as connection:
        return connection.execute("SELECT username, role, fhir_user, mail FROM account ORDER BY 1").fetchall()


@pytest.mark.parametrize("code", ["HX-1", "hx-1", "urn:oid:1.2.3|HX-1", " HX-1 "])
def test_register_and_sign_in(database_url: str, pool: Pool, mailbox: Mailbox, code: str) -> None:
    """Who knows record number and birthday gets a mail at the record's address; its button opens the account."""

    async def use(client: httpx.AsyncClient) -> None:
        answer = await register(client, identifier=code)
        assert answer.status_code == 200
        assert "ada@example.org" in answer.text
        assert accounts(pool) == []
        (mail,) = await worked(mailbox)
        assert (mail.to, mail.subject) == ("ada@example.org", "Confirm your account")
        assert (await client.get(mail.link)).status_code == 200
        assert accounts(pool) == []
        assert "Your account ada is open" in (await confirm(client, mail)).text
        assert accounts(pool) == [("ada", "patient", "Patient/ada", "ada@example.org")]
        assert (await sign_in(client, "ada", SECRET)).headers["location"] == "/account/"
        assert "Ada Byron" in (await client.get("/account/")).text

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute(
            """SELECT action, subtype, outcome, account, patient, address FROM audit_event
               WHERE subtype IN ('register', 'account', 'registration') ORDER BY seq"""
        ).fetchall()
    assert rows == [
        ("E", "register", 0, "ada", None, "192.0.2.9"),
        ("C", "account", 0, "ada", None, None),
        ("C", "registration", 0, "ada", "ada", "192.0.2.9"),
    ]


def test_nothing_is_kept_that_opens_an_account(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """Between form and button the database holds neither password nor the secret of the link."""

    async def use(client: httpx.AsyncClient) -> None:
        await register(client)
        (mail,) = await worked(mailbox)
        with pool.connection() as connection:
            held = str(connection.execute("SELECT * FROM ticket").fetchall())
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM mail").fetchone() == (0,)
        assert mail.link.partition("ticket=")[2] not in held
        assert SECRET not in held

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 6.3.8")
@pytest.mark.parametrize(
    "wrong",
    [
        {"identifier": "HX-9"},
        {"identifier": "urn:other|HX-1"},
        {"identifier": "|HX-1"},
        {"birthdate": "1990-05-18"},
        {"birthdate": ""},
        {"birthdate": "1990-05"},
        {"identifier": "HX-2"},  # bob's, whose record names another mail address
        {"identifier": "HX-3"},  # two patients
        {"identifier": "HX-4"},  # inactive
        {"identifier": "HX-6"},  # a record without a mail address
        {"identifier": "HX-5", "birthdate": "1990-05"},
        {"identifier": "ABCD-EFGH-JKMN-PQRS"},
        {"identifier": "Patient/ada"},
    ],
)
def test_what_does_not_fit(database_url: str, pool: Pool, mailbox: Mailbox, wrong: dict[str, str]) -> None:
    """Whatever does not belong to one record is answered like what does, and no mail is sent."""

    async def use(client: httpx.AsyncClient) -> None:
        good = await register(client)
        answer = await register(client, **wrong)
        assert (answer.status_code, answer.text) == (good.status_code, good.text)
        assert len(await worked(mailbox)) == 1

    browsing(database_url, use)
    with pool.connection() as connection:
        refused = connection.execute("SELECT 1 FROM audit_event WHERE subtype = 'register' AND outcome = 4").fetchall()
        assert len(refused) == 1


@pytest.mark.spec("OWASP ASVS 5.0 6.3.8")
def test_the_same_work_whoever_registers(database_url: str, pool: Pool) -> None:
    """Known and unknown records, taken and free names cost the same statements and one password hash."""
    account(pool, "countess", "patient", "Patient/bob")
    seen = set()

    async def use(client: httpx.AsyncClient) -> None:
        await register(client, identifier="HX-0")
        for changed in ({}, {"identifier": "HX-9"}, {"identifier": "HX-2"}, {"username": "countess"}):
            page = await client.get("/account/register")
            fields = ADA | {"password": SECRET, "csrf": csrf(page)} | changed
            with query_recorder() as statements, counted_hashes() as hashes:
                answer = await client.post("/account/register", data=fields)
            seen.add((answer.status_code, answer.text, tuple(statements), len(hashes)))

    browsing(database_url, use)
    ((status, _, _, hashes),) = seen
    assert (status, hashes) == (200, 1)


@contextmanager
def counted_hashes() -> Iterator[list[str]]:
    """A list that receives what is hashed."""
    done: list[str] = []
    original = passwords.hash_password

    def hashing(password: str) -> str:
        done.append(password)
        return original(password)

    with patch.object(chosen, "hash_password", hashing):
        yield done


def test_a_record_with_an_account_is_not_taken_over(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """A second registration for a record gets the same answer and no mail; who has the account is told."""
    account(pool, "countess", "patient", "Patient/ada")
    with pool.connection() as connection:
        connection.execute("UPDATE account SET mail = 'countess@example.org'")

    async def use(client: httpx.AsyncClient) -> None:
        answer = await register(client)
        assert answer.text == (await register(client, identifier="HX-9")).text
        (mail,) = await worked(mailbox)
        assert mail.to == "countess@example.org"
        assert "countess" in mail.text
        assert [row[0] for row in accounts(pool)] == ["countess"]

    browsing(database_url, use)


def test_the_mail_address_of_the_record(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """A record that has mail addresses is registered for from one of them."""

    async def use(client: httpx.AsyncClient) -> None:
        await register(client, identifier="HX-2", email="bob@example.ORG", username="bob")
        (mail,) = await worked(mailbox)
        await confirm(client, mail)
        assert accounts(pool) == [("bob", "patient", "Patient/bob", "bob@example.org")]

    browsing(database_url, use)


def test_a_name_that_is_taken(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """Only the mail tells that a name is taken, and only to who is a patient here."""
    account(pool, "ada", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        answer = await register(client)
        assert answer.text == (await register(client, username="free")).text
        first, second = await worked(mailbox)
        assert (first.subject, second.subject) == ("Choose another username", "Confirm your account")
        assert (await register(client, identifier="HX-9")).status_code == 200
        assert await worked(mailbox) == []

    browsing(database_url, use)


def test_of_two_registrations_one_wins(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """Two mails for one record make one account, also when both buttons are pressed at once."""

    async def use(client: httpx.AsyncClient) -> None:
        await register(client, username="first")
        await register(client, username="second")
        mails = await worked(mailbox)
        answers = await asyncio.gather(*(confirm(client, mail) for mail in mails))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert len(accounts(pool)) == 1

    browsing(database_url, use)


@pytest.mark.spec("OWASP ASVS 5.0 6.4.1")
def test_a_link_is_good_once_and_for_a_day(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """A used link, a late one and an invented one open nothing."""

    async def use(client: httpx.AsyncClient) -> None:
        await register(client)
        (mail,) = await worked(mailbox)
        with pool.connection() as connection:
            connection.execute("UPDATE ticket SET expires = expires - interval '25 hours'")
        assert (await confirm(client, mail)).status_code == 409
        await register(client)
        (mail,) = await worked(mailbox)
        await confirm(client, mail)
        with pool.connection() as connection:
            connection.execute("DELETE FROM account")
        assert (await confirm(client, mail)).status_code == 409
        assert (
            await confirm(client, Received("", "", "http://x/account/register/confirm?ticket=x"))
        ).status_code == 409
        assert accounts(pool) == []

    browsing(database_url, use)


@pytest.mark.parametrize("typed", ["{}", " {} ", "lower", "plain"])
def test_an_invitation(database_url: str, pool: Pool, mailbox: Mailbox, typed: str) -> None:
    """An invited patient needs no birthday and may use any mail address; the code is good once."""
    code = transaction(pool, lambda: invite("Patient/bob", OPERATOR))
    forms = {"lower": code.lower(), "plain": code.replace("-", "")}

    async def use(client: httpx.AsyncClient) -> None:
        entered = forms.get(typed, typed.format(code))
        await register(client, identifier=entered, birthdate="", username="bob")
        (mail,) = await worked(mailbox)
        await confirm(client, mail)
        assert accounts(pool) == [("bob", "patient", "Patient/bob", "ada@example.org")]
        with pool.connection() as connection:
            connection.execute("DELETE FROM account")
        await register(client, identifier=entered, birthdate="", username="bob")
        assert await worked(mailbox) == []

    browsing(database_url, use)


def test_a_record_without_a_mail_address(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """It is registered for by invitation; by number and birthday only where the operator lets them do."""
    code = transaction(pool, lambda: invite("Patient/eve", OPERATOR))
    lax = Mailbox(mailbox.url, mailbox.directory, unmailed=True)

    async def use(client: httpx.AsyncClient) -> None:
        for entered, box, mails in (("HX-6", mailbox, 0), ("HX-6", lax, 1), (code, mailbox, 1)):
            await register(client, identifier=entered, username="eve")
            assert len(await worked(box)) == mails

    browsing(database_url, use)
    with pool.connection() as connection:
        refused = connection.execute(
            "SELECT patient, query FROM audit_event WHERE subtype = 'register' AND outcome = 4"
        )
        assert refused.fetchall() == [("eve", "the record has no mail address, and there was no invitation")]


def test_a_newer_invitation_replaces_the_older(database_url: str, pool: Pool, mailbox: Mailbox) -> None:
    """Only the last code of a patient is good, and an open registration with the older one ends in nothing."""
    older = transaction(pool, lambda: invite("Patient/bob", OPERATOR))

    async def use(client: httpx.AsyncClient) -> None:
        await register(client, identifier=older, username="bob")
        (mail,) = await worked(mailbox)
        newer = await asyncio.to_thread(transaction, pool, lambda: invite("Patient/bob", OPERATOR))
        assert (await confirm(client, mail)).status_code == 409
        await register(client, identifier=older, username="bob")
        assert await worked(mailbox) == []
        await register(client, identifier=newer, username="bob")
        assert len(await worked(mailbox)) == 1

    browsing(database_url, use)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"identifier": " "}, "record number or an invitation"),
        ({"identifier": "x" * 201}, "record number or an invitation"),
        ({"email": "ada"}, "mail address"),
        ({"email": "ada@example.org\r\nBcc: eve@example.org"}, "mail address"),
        ({"username": "Ada Byron"}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"password": "short"}, "8 to 256"),
        ({"password": "password1234"}, "first that are guessed"),
        ({"password": "ada1990HX-1!"}, "first that are guessed"),
    ],
)
def test_what_cannot_be(database_url: str, pool: Pool, wrong: dict[str, str], told: str) -> None:
    """What cannot be right is said at once, and what was entered stays, but for the password."""

    async def use(client: httpx.AsyncClient) -> None:
        answer = await register(client, **wrong)
        assert answer.status_code == 400
        assert told in answer.text
        assert SECRET not in answer.text
        if "birthdate" not in wrong:
            assert 'value="1990-05-17"' in answer.text
        with pool.connection() as connection:
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)

    browsing(database_url, use)


def test_forms_of_other_sites(database_url: str, pool: Pool) -> None:
    """A form that this browser was not given does nothing."""

    async def use(client: httpx.AsyncClient) -> None:
        assert (await register(client, csrf="0" * 64)).status_code == 403
        for path in ("/account/register/confirm", "/account/reset", "/account/mail/confirm"):
            assert (await client.post(path, data={"ticket": "x", "password": SECRET})).status_code == 403
        with pool.connection() as connection:
            assert connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)

    browsing(database_url, use)


def test_guessing_is_limited(database_url: str, mailbox: Mailbox) -> None:
    """One identifier can be tried a few times an hour; a refused password is no try."""

    async def use(client: httpx.AsyncClient) -> None:
        for _ in range(7):
            assert (await register(client, password="password1234")).status_code == 400
        answers = [await register(client, birthdate=f"1990-05-0{day}") for day in range(1, 7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert "retry-after" in answers[-1].headers
        assert (await register(client, identifier="HX-9")).status_code == 200

    browsing(database_url, use)


def test_an_emergency_makes_no_invitation(database_url: str, pool: Pool) -> None:
    """Who opened a record by break-glass cannot become the patient's account, which would last."""
    account(pool, "dr", "practitioner", "Practitioner/d")
    doctor = AccessContext(parse("user/*.cruds"), Origin("app", "dr"), practitioner="d")
    transaction(pool, lambda: open_record(doctor, "bob", "unconscious", Terms()))

    async def use(client: httpx.AsyncClient) -> None:
        await sign_in(client, "dr")
        home = await client.get("/account/")
        assert "HX-2" in home.text
        assert re.findall(r'name="patient" value="([^"]+)" aria-describedby', home.text) == ["ada"]
        fields = {"patient": "bob", "csrf": csrf(await client.get("/account/settings"))}
        assert (await client.post("/account/invite", data=fields)).status_code == 404

    browsing(database_url, use)


def test_who_may_invite(database_url: str, pool: Pool) -> None:
    """Clinicians invite patients in their care, administrators any, patients nobody; nobody learns who else exists."""
    account(pool, "dr", "practitioner", "Practitioner/d")
    account(pool, "root", "admin")
    account(pool, "bob", "patient", "Patient/bob")

    async def use(client: httpx.AsyncClient) -> None:
        for name, patient, status in (
            ("dr", "ada", 200), ("dr", "bob", 404), ("dr", "nobody", 404), ("dr", "a b", 404),
            ("root", "bob", 200), ("root", "Patient/bob", 200), ("root", "nobody", 404), ("bob", "bob", 403),
        ):  # fmt: skip
            client.cookies.clear()
            await sign_in(client, name)
            token = csrf(await client.get("/account/settings"))
            answer = await client.post("/account/invite", data={"patient": patient, "csrf": token})
            assert answer.status_code == status, (name, patient, answer.text)
            assert ("<code>" in answer.text) is (status == 200)
            assert (await client.post("/account/invite", data={"patient": patient, "csrf": "0"})).status_code == 403
        client.cookies.clear()
        assert (await client.post("/account/invite", data={"patient": "ada"})).headers["location"] == "/account/login"

    browsing(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute("SELECT account, patient FROM audit_event WHERE subtype = 'invitation' ORDER BY seq")
        assert rows.fetchall() == [("dr", "ada"), ("root", "bob"), ("root", "bob")]
