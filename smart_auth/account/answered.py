"""Answers by mail to what `asked.py` noted: an outbox consumer of the job worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from healix_fhir.kernel.outbox import Event
from smart_auth.account import invitation, mails
from smart_auth.account.asked import REGISTER, RESET, Registration
from smart_auth.account.home import Home
from smart_auth.account.tickets import Purpose, issue, void

REGISTRATION_LIFE = 24 * 3600
RESET_LIFE = 30 * 60
REFUSED = 4
SEVERAL = 5
"""Accounts of one mail address that a reset is offered for."""


@dataclass(frozen=True, slots=True)
class Person:
    """A patient whose record is registered for. `mails` are the addresses in the record, in lower case."""

    fhir_user: str
    mails: frozenset[str] = frozenset()


Find = Callable[[str, str], Work[Person | None]]
"""The one patient with an identifier and a date of birth."""


def consumer(home: Home, find: Find, *, unmailed: bool = False) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer of the topic, for the server that is `home`.

    `unmailed` tells that number and birthday are enough for a record without a mail address.
    """

    def handle(events: Sequence[Event]) -> Work[None]:
        for event in events:
            origin = msgspec.convert(event.payload["origin"], Origin)
            if event.payload["what"] == REGISTER:
                asked = msgspec.convert(event.payload["details"], Registration)
                asked = msgspec.structs.replace(asked, language=asked.language or home.language)
                yield from _register(home, find, asked, origin, unmailed=unmailed)
            else:
                yield from _reset(home, event.payload["details"]["name"], origin)

    return handle


def _register(home: Home, find: Find, asked: Registration, origin: Origin, *, unmailed: bool) -> Work[None]:
    """Offer an account to whoever reads the mail, when record, address and name allow it.

    Number and birthday are known to many: the mail address in the record, or an invitation, shows whose they are.
    """
    invited = yield from invitation.invited(asked.code)
    person = Person(invited) if invited else (yield from find(asked.code, asked.birthdate))
    if person is None:
        yield _refused(REGISTER, origin, "no record is known by that")
        return
    patient = person.fhir_user.partition("/")[2]
    if not (invited or person.mails or unmailed):
        yield _refused(REGISTER, origin, "the record has no mail address, and there was no invitation", patient)
        return
    if person.mails and asked.mail not in person.mails:
        yield _refused(REGISTER, origin, "the mail address is not that of the record", patient)
        return
    holders = yield Statement("SELECT username, mail FROM account WHERE fhir_user = %s", (person.fhir_user,))
    if holders:
        yield _refused(REGISTER, origin, "the record has an account", patient)
        told = []
        for name, mail in holders:
            theirs = yield from home.spoken(name)
            with speaking(theirs):
                told += [mails.has_account(home.root, mail, name)] if mail else []
        if told:
            yield post(told)
        return
    if (yield Statement("SELECT 1 FROM account WHERE username = %s", (asked.username,))):
        yield _refused(REGISTER, origin, "the name is taken", patient)
        with speaking(asked.language):
            taken = mails.name_taken(home.root, asked.mail, asked.username)
        yield post([taken])
        return
    ticket = yield from issue(
        Purpose.REGISTRATION,
        REGISTRATION_LIFE,
        username=asked.username,
        fhir_user=person.fhir_user,
        mail=asked.mail,
        password_hash=asked.password_hash,
        invitation=invitation.plain(asked.code) if invited else None,
    )
    with speaking(asked.language):
        offer = mails.confirm_registration(home.root, asked.mail, asked.username, ticket)
    yield post([offer])


def _reset(home: Home, name: str, origin: Origin) -> Work[None]:
    """Offer a new password for each account of that name or mail address; earlier offers are void."""
    found = yield Statement(
        """SELECT username, mail FROM account
           WHERE (username = %s OR mail = %s) AND mail IS NOT NULL AND NOT disabled ORDER BY username LIMIT %s""",
        (name, name, SEVERAL),
    )
    if not found:
        yield _refused(RESET, origin, "no account with a mail address is known by that")
    for username, mail in found:
        yield void(username, [Purpose.RESET])
        ticket = yield from issue(Purpose.RESET, RESET_LIFE, username=username)
        theirs = yield from home.spoken(username)
        with speaking(theirs):
            offer = mails.new_password(home.root, mail, username, ticket)
        yield post([offer])


def _refused(what: str, origin: Origin, reason: str, patient: str | None = None) -> Statement:
    return record([AuditRow(origin, "E", what, REFUSED, patient=patient, query=reason)])
