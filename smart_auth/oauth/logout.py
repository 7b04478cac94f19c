"""An app's person has signed out there: what the app asks for, and where it may have the person back.

Nothing is ended by asking: the person is shown a question, whose answer ends the session. So a link from anywhere
signs nobody out. An address to return to must be one that the app has registered, exactly, and the app must be known:
by `client_id`, or by an id token that it got from here.

Spec: OpenID Connect RP-Initiated Logout 1.0 2, 3
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.authorize.hint import claimed
from smart_auth.oauth.authorize.request import LONGEST_WORD
from smart_auth.oauth.clients import find_client

MISTAKE = "The app that sent you here made a mistake: "
BACK = "post_logout_redirect_uri"


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is asked: by which app, in whose name, and where the person goes afterwards (None: nowhere else)."""

    app: str = ""
    client: str = ""
    subject: str | None = None
    back: str | None = None
    state: str | None = None

    @property
    def address(self) -> str | None:
        """Where the person goes, with what the app wants to hear again."""
        if self.back is None or self.state is None:
            return self.back
        return f"{self.back}{'&' if '?' in self.back else '?'}{urlencode({'state': self.state})}"

    @property
    def carried(self) -> dict[str, str]:
        """The request as fields of the form that asks the person."""
        fields = {"client_id": self.client, BACK: self.back, "state": self.state}
        return {name: value for name, value in fields.items() if value} if self.back is not None else {}


def leaving(params: Sequence[tuple[str, str]], issuer: str) -> Work[Leaving]:
    """What an app asks for. Raises Invalid: nobody is sent to an address that is not registered."""
    values = _single(params)
    named, hint = values.get("client_id"), values.get("id_token_hint")
    subject = None
    if hint is not None:
        try:
            audience, subject = yield from claimed(hint, issuer)
        except Refused as refused:
            raise invalid(f"{MISTAKE}{refused.description}.") from refused
        if named not in (None, audience):
            raise invalid(f"{MISTAKE}client_id is not the app that got the id_token_hint.")
        named = audience
    client = (yield from find_client(named)) if named is not None else None
    if named is not None and client is None:
        raise invalid("The app that sent you here is not registered with this server.")
    back = values.get(BACK)
    if back is None:
        return Leaving(client.name if client else "", named or "", subject)
    if client is None:
        raise invalid(f"{MISTAKE}it did not say who it is.")
    if back not in client.post_logout_redirect_uris:
        raise invalid(f"The app {client.name} sent an address to return to that is not one of those it registered.")
    return Leaving(client.name, client.id, subject, back, values.get("state"))


def _single(params: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters with a value. Raises Invalid where one stands twice or cannot be."""
    for name, times in Counter(name for name, _ in params).items():
        if times > 1:
            raise invalid(f"{MISTAKE}{name[:40]} stands more than once.")
    values = {name: value for name, value in params if value}
    if any("\0" in value for value in values.values()) or len(values.get("state", "")) > LONGEST_WORD:
        raise invalid(f"{MISTAKE}it sent what cannot be sent back.")
    return values
