"""Answers of the authorization endpoint: back to the app with a code or with an error.

Spec: RFC 6749 4.1.2, 4.1.2.1; RFC 9207 2; OAuth 2.0 Form Post Response Mode 2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


class Refused(Exception):  # noqa: N818 - an answer of the protocol
    """The app is told `error`, one of the codes of RFC 6749 4.1.2.1 or OpenID Connect Core 3.1.2.6, and why."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an answer goes: a redirect URI that the app has registered, and what it wants to hear again.

    In the query of a redirect, or `by_form`, a POST from the person's browser.
    """

    redirect_uri: str
    state: str | None
    by_form: bool = False

    def with_code(self, code: str, issuer: str) -> Answer:
        """What hands the app its code."""
        return self._answer({"code": code}, issuer)

    def with_error(self, refused: Refused, issuer: str) -> Answer:
        """What tells the app what is wrong."""
        return self._answer({"error": refused.error, "error_description": _plain(refused.description)}, issuer)

    def _answer(self, values: dict[str, str], issuer: str) -> Answer:
        if self.state is not None:
            values["state"] = self.state
        return Answer(self, values | {"iss": issuer})


@dataclass(frozen=True, slots=True)
class Answer:
    """The parameters of an answer, and where they go."""

    goal: Destination
    values: Mapping[str, str]

    @property
    def address(self) -> str:
        """The redirect URI with the answer in its query."""
        uri = self.goal.redirect_uri
        return uri + ("&" if "?" in uri else "?") + urlencode(self.values)


def _plain(text: str) -> str:
    """`text` in the characters that a description may have."""
    return "".join(one if " " <= one <= "~" and one not in '"\\' else "'" for one in text)
