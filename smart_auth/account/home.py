"""Where mails about accounts come from, and in which language their people are spoken to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.language.spoken import ENGLISH

Tongues = Callable[[Iterable[str], str], Work[dict[str, str]]]
"""The languages of people by their references, and that of the clinic for who prefers none."""


def _clinics(users: Iterable[str], clinic: str) -> Work[dict[str, str]]:
    yield from ()
    return dict.fromkeys(users, clinic)


@dataclass(frozen=True, slots=True)
class Home:
    """The server at `root`; its people are spoken to in `language` where they chose none and `tongues` knows none."""

    root: str
    language: str = ENGLISH
    tongues: Tongues = _clinics

    def spoken(self, username: str) -> Work[str]:
        """The language of an account's person, whoever asks: the person may be told of what another has done."""
        rows = yield Statement("SELECT language, fhir_user FROM account WHERE username = %s", (username,))
        chosen, person = rows[0] if rows else (None, None)
        if chosen is None and person is not None:
            return (yield from self.tongues([person], self.language))[person]
        return chosen or self.language

    def spoken_at(self, mail: str) -> Work[str]:
        """The language of who has an account with a mail address, else the clinic's."""
        rows = yield Statement(
            "SELECT username FROM account WHERE mail = %s AND NOT disabled ORDER BY username LIMIT 1", (mail,)
        )
        return (yield from self.spoken(rows[0][0])) if rows else self.language
