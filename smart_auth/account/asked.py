"""What people who are not signed in ask for, noted and answered later.

The request does the same work whatever it names: it writes one event and one audit row. The job worker then looks
whether there is such a record or account (`answered.py`), and only the mail tells. So neither answer nor time does.

Spec: OWASP ASVS 5.0 6.3.8 (no enumeration of users)
"""

from __future__ import annotations

from typing import Any

import msgspec

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.language.spoken import ENGLISH
from healix_fhir.kernel.outbox import Event, publish

TOPIC = "account"
REGISTER, RESET = "register", "reset"
"""What is asked for, which is also the word of the audit row."""


class Registration(msgspec.Struct, frozen=True):
    """A wish to register. `code` is an identifier, as `system|value` or the value alone, or an invitation code.

    `language` is that of the page.
    """

    code: str
    birthdate: str
    mail: str
    username: str
    password_hash: str
    language: str = ENGLISH


def ask_registration(registration: Registration, origin: Origin) -> Work[None]:
    """Somebody wants an account for a patient's record."""
    who = Origin(origin.client, registration.username, origin.address, origin.request)
    yield from _ask(REGISTER, msgspec.to_builtins(registration), who)


def ask_reset(name: str, origin: Origin) -> Work[None]:
    """Somebody forgot the password of the account with this name or mail address."""
    yield from _ask(RESET, {"name": name}, Origin(origin.client, name, origin.address, origin.request))


def _ask(what: str, details: dict[str, Any], who: Origin) -> Work[None]:
    yield publish([Event(TOPIC, {"what": what, "details": details, "origin": msgspec.to_builtins(who)})])
    yield record([AuditRow(who, "E", what)])
