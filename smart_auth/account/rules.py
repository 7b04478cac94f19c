"""Which passwords are taken: long enough, and not among those that are guessed first.

There are no rules of composition and no dates of expiry. Eight characters are the least that ASVS allows; what makes a
password weak is judged by `guesses`, whose bound of 10**8 is sixty times what the limits on logins let pass in a year.
Where NIST's 15 characters for passwords without a second factor are wanted, HEALIX_PASSWORD_LENGTH asks for them.

Spec: OWASP ASVS 5.0 6.1.2, 6.2.1, 6.2.4, 6.2.5, 6.2.9, 6.2.11, 6.2.12; NIST SP 800-63B-4 3.1.1.2
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import log2

from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import SHORTEST_PASSWORD
from smart_auth.account.guesses import bits
from smart_auth.account.words import words
from smart_auth.oauth.passwords import LONGEST, normal

ENOUGH = log2(10**8)
PRODUCT = ("healix", "fhir", "dicom", "clinic", "hospital")
GUESSED = (
    "This password is among the first that are guessed. Choose a longer one: for instance four words that have nothing"
    " to do with each other."
)


def check_password(password: str, about: Iterable[str] = (), shortest: int = SHORTEST_PASSWORD) -> None:
    """Refuse (Invalid) a password that is too short, too long or easily guessed.

    `about` is what is known of its owner: user name, mail address, identifier.
    """
    password = normal(password)
    if not shortest <= len(password) <= LONGEST:
        raise invalid(f"A password has {shortest} to {LONGEST} characters.", code="value")
    parts = {part for text in about for part in (text, *re.split(r"[^\w]+|_", text))}
    if bits(password, words(), {*parts, *PRODUCT}) < ENOUGH:
        raise invalid(GUESSED, code="value")
