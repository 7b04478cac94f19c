"""An app asks a person for access: the authorization request, the pages that follow, and the answer to the app.

Spec: SMART App Launch 2.2 app-launch.html#obtain-authorization-code; RFC 7636 4.1
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from conformance.check import Failed
from conformance.smart.browser import Browser, Page
from conformance.smart.forms import Form
from conformance.smart.jose import encode
from conformance.smart.parties import App, Person

STEPS = 8


@dataclass(frozen=True)
class Decision:
    """What the person does: allow or deny, which of the offered scopes to tick, which patient to choose."""

    allow: bool = True
    tick: Callable[[str], bool] | None = None
    patient: str | None = None


ALLOW = Decision()


@dataclass
class Asking:
    """A request and what became of it. `offered`: the scopes of the consent page, and whether they were ticked."""

    sent: dict[str, str]
    verifier: str
    page: Page
    offered: dict[str, bool] = field(default_factory=dict)

    @property
    def told(self) -> Mapping[str, str]:
        """What the app was told in the way that it asked for; nothing when the browser was not sent to it."""
        where = self.sent["redirect_uri"]
        if self.sent.get("response_mode") != "form_post":
            return self.page.told if (self.page.left or "").startswith(where) else {}
        form = next((form for form in self.page.forms if (form.method, form.action) == ("post", where)), None)
        return dict(form.filled()) if form is not None else {}

    @property
    def code(self) -> str:
        """The code. Raises Failed."""
        if "code" not in self.told:
            raise Failed(f"no code came of the authorization: {dict(self.told) or self.page.status}")
        return self.told["code"]


def parameters(app: App, scope: str, aud: str) -> tuple[dict[str, str], str]:
    """An authorization request as it should be, and its PKCE verifier."""
    verifier = secrets.token_urlsafe(48)
    return {
        "response_type": "code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "scope": scope,
        "state": secrets.token_urlsafe(16),
        "aud": aud,
        "code_challenge": encode(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }, verifier


def ask(
    endpoint: str, browser: Browser, person: Person, sent: dict[str, str], decision: Decision, *, post: bool = False
) -> tuple[Page, dict[str, bool]]:
    """Send the request and go through the pages; the last page, and the scopes offered."""
    offered: dict[str, bool] = {}
    page = browser.post(endpoint, list(sent.items())) if post else browser.open(f"{endpoint}?{urlencode(sent)}")
    for _ in range(STEPS):
        step = None if page.left else _step(page, person, decision, offered)
        if step is None:
            return page, offered
        page = browser.submit(page, *step)
    raise Failed(f"after {STEPS} pages the person was still being asked")


def _step(
    page: Page, person: Person, decision: Decision, offered: dict[str, bool]
) -> tuple[Form, list[tuple[str, str]]] | None:
    """The form that a page wants filled in, filled in; None when it wants none."""
    if (form := page.form("password")) is not None:
        return form, _with(form.filled(), {"username": person.username, "password": person.password})
    if (form := page.form("decision")) is not None:
        offered.update({control.value: control.on for control in form.controls if control.name == "scope"})
        return form, _decided(form, decision)
    for form in page.forms:
        if form.radios():
            wanted = {name: values[0] for name, values in form.radios().items()}
            return form, _with(form.filled(), wanted | ({"patient": decision.patient} if decision.patient else {}))
    return None


def _decided(form: Form, decision: Decision) -> list[tuple[str, str]]:
    kept = form.filled()
    if decision.tick is not None:
        kept = [pair for pair in kept if pair[0] != "scope"]
        kept += [("scope", value) for value in form.values("scope") if decision.tick(value)]
    return [*kept, ("decision", "allow" if decision.allow else "deny")]


def _with(fields: Sequence[tuple[str, str]], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [pair for pair in fields if pair[0] not in given] + list(given.items())
