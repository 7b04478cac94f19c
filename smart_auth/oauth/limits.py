"""What is limited, by what, and how often it may be done: the table of every limit.

A rule without `pause` is a rate: `quota` within `window` seconds, and what goes beyond waits for the window's end. A
rule with one is for guesses: after `quota` of them in a row, each `window` seconds after the one before at most, every
further one waits, first `pause` seconds, then twice as long each time up to `longest`. What is refused never counts, so
that who keeps trying does not wait longer.

What strangers can do to one account is held by rules for account and address together, and by a slower one for the
account from everywhere. The latter, like those for an address, leaves an account alone at addresses where it signed in
before (`familiar`): nobody is kept out for long by what others do to the name, or by whom else shares the address.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from healix_fhir.kernel.errors import invalid

MINUTE, HOUR = 60, 3600


class By(Enum):
    """What a rule counts for each value of."""

    ACCOUNT = "account"
    CLIENT = "client"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit. A `guess` that was right is taken back; `familiar` is told above."""

    name: str
    by: tuple[By, ...]
    quota: int
    window: int
    pause: int = 0
    longest: int = 0
    guess: bool = False
    familiar: bool = False


PAIR = (By.ACCOUNT, By.ADDRESS)
ACCOUNT = (By.ACCOUNT,)
CLIENT = (By.CLIENT,)
ADDRESS = (By.ADDRESS,)

LOGIN = (
    Rule("login", PAIR, 5, 15 * MINUTE, pause=30, longest=15 * MINUTE, guess=True),
    Rule("login-account", ACCOUNT, 50, 15 * MINUTE, pause=1, longest=MINUTE, guess=True, familiar=True),
    Rule("login-address", ADDRESS, 100, 15 * MINUTE, guess=True, familiar=True),
    Rule("login-rate", ADDRESS, 300, MINUTE, familiar=True),
    Rule("login-own-rate", PAIR, 120, MINUTE),
)
"""Passwords: each guess costs argon2, right ones too."""

SECOND_FACTOR = (
    Rule("factor", PAIR, 5, 15 * MINUTE, pause=30, longest=15 * MINUTE, guess=True),
    Rule("factor-account", ACCOUNT, 20, HOUR, pause=MINUTE, longest=HOUR, guess=True, familiar=True),
)
"""Codes of six digits, after the right password."""

RESET = (
    Rule("reset", PAIR, 5, HOUR),
    Rule("reset-account", ACCOUNT, 20, HOUR),
    Rule("reset-address", ADDRESS, 60, HOUR),
)
"""Asking for mail to an account."""

RESET_TOKEN = (Rule("reset-token", ADDRESS, 20, 15 * MINUTE, guess=True),)
"""Coming with what such a mail holds."""

DOCUMENT_LINK = (Rule("document-link", ADDRESS, 30, 15 * MINUTE, guess=True),)
"""Coming with the link to a document, and a birth date."""

REGISTER = (
    Rule("register", PAIR, 5, HOUR, guess=True),
    Rule("register-account", ACCOUNT, 20, HOUR, guess=True),
    Rule("register-address", ADDRESS, 60, HOUR),
)
"""New accounts; the account is what links one to a record: an identifier or an invitation."""

AUTHORIZE = (Rule("authorize", ADDRESS, 600, MINUTE),)
"""Authorization requests, each of which is kept for an hour."""

TOKEN = (Rule("token-client", CLIENT, 3000, MINUTE), Rule("token-address", ADDRESS, 6000, MINUTE))
INTROSPECT = (Rule("introspect-client", CLIENT, 12_000, MINUTE),)
REVOKE = (Rule("revoke-client", CLIENT, 3000, MINUTE),)
"""Requests of clients that proved who they are: nobody uses up the quota of another."""

PUBLIC_TOKEN = (Rule("token-public", (By.CLIENT, By.ADDRESS), 3000, MINUTE), TOKEN[1])
PUBLIC_REVOKE = (Rule("revoke-public", (By.CLIENT, By.ADDRESS), 3000, MINUTE),)
"""The same in the name of public apps, which cannot prove it: who takes their name somewhere holds nobody elsewhere."""

CLIENT_GUESS = (Rule("client-guess", ADDRESS, 300, MINUTE),)
"""Wrong secrets, assertions, codes and refresh tokens."""

PAIRING = (Rule("pairing", ADDRESS, 30, 15 * MINUTE, guess=True),)
"""Codes that pair devices: wrong ones of one address."""

PAIRING_ASKED = (Rule("pairing-asked", PAIR, 20, 15 * MINUTE),)
"""Such codes that a person asks for."""

CLIENT_REGISTRATION = (Rule("client-registration", ADDRESS, 100, HOUR),)
OPEN_REGISTRATION = (*CLIENT_REGISTRATION, Rule("open-registration", (), 300, HOUR))
"""With an invitation; and without one, of all callers together."""

BEARER = (Rule("token-guess", ADDRESS, 600, MINUTE),)
"""Access tokens that are not good; the good ones of the same address are never held."""

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rules in (
        LOGIN, SECOND_FACTOR, RESET, RESET_TOKEN, REGISTER, AUTHORIZE, TOKEN, PUBLIC_TOKEN, INTROSPECT, REVOKE,
        PUBLIC_REVOKE, CLIENT_GUESS, PAIRING, PAIRING_ASKED, OPEN_REGISTRATION, BEARER,
        DOCUMENT_LINK,
    )
    for rule in rules
}  # fmt: skip
"""Every rule by its name."""

CHANGE = re.compile(r"([a-z-]+)=([1-9][0-9]{0,6})/([1-9][0-9]{0,5})")


def changed_rules(text: str) -> dict[str, Rule]:
    """The rules that `HEALIX_RATE_LIMITS` changes: `name=quota/seconds`, separated by commas. Raises Invalid."""
    changed = {}
    for word in filter(None, (one.strip() for one in text.split(","))):
        found = CHANGE.fullmatch(word)
        if found is None or found[1] not in RULES:
            raise invalid(
                f"HEALIX_RATE_LIMITS: '{word[:64]}' is not NAME=QUOTA/SECONDS with a name of {', '.join(RULES)}"
            )
        changed[found[1]] = dataclasses.replace(RULES[found[1]], quota=int(found[2]), window=int(found[3]))
    return changed
