"""Answers of the authorization endpoint: the redirect back to the app, with a code or with an error.

Spec: RFC 6749 4.1.2, 4.1.2.1; RFC 9207 2
"""

from __future__ import annotations

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
    """Where an answer goes: a redirect URI that the app has registered, and what it wants to hear again."""

    redirect_uri: str
    state: str | None

    def with_code(self, code: str, issuer: str) -> str:
        """The address that hands the app its code."""
        return self._address({"code": code}, issuer)

    def with_error(self, refused: Refused, issuer: str) -> str:
        """The address that tells the app what is wrong."""
        return self._address({"error": refused.error, "error_description": _plain(refused.description)}, issuer)

    def _address(self, answer: dict[str, str], issuer: str) -> str:
        if self.state is not None:
            answer["state"] = self.state
        answer["iss"] = issuer
        return self.redirect_uri + ("&" if "?" in self.redirect_uri else "?") + urlencode(answer)


def _plain(text: str) -> str:
    """`text` in the characters that a description may have."""
    return "".join(one if " " <= one <= "~" and one not in '"\\' else "'" for one in text)
