"""The authorization request, read in two steps: where answers may go, then what is asked.

Before the client and its redirect URI are known to belong together nothing is redirected: those errors are refusals
that the person sees (Invalid). All later ones are told to the app (`Refused`).

Spec: SMART App Launch 2.2 app-launch.html#obtain-authorization-code; RFC 6749 3.1, 4.1.1; RFC 7636 4.3; RFC 9700 2.1;
OpenID Connect Core 3.1.2.1
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from healix_fhir.kernel.errors import invalid
from smart_auth.oauth.authorize.answer import Destination, Refused
from smart_auth.oauth.clients import CODE, Client

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""The SHA-256 of a verifier in base64url. Spec: RFC 7636 4.2"""

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
QUERY, FORM_POST = "query", "form_post"
RESPONSE_MODES = (QUERY, FORM_POST)
LONGEST_WORD = 2048
"""Characters of a value that is handed back or stored: state, nonce, launch."""
SCOPES = 100
"""Most scopes of one request: each is a line that a person reads."""

UNDERSTOOD = {
    "request": ("request_not_supported", "request objects are not supported"),
    "request_uri": ("request_uri_not_supported", "request_uri is not supported"),
    "registration": ("registration_not_supported", "clients are registered beforehand"),
}
"""Parameters that change what a request means, and the answer that they are not understood here."""


class Asked(msgspec.Struct, frozen=True):
    """A request whose form is right. `prompt` is empty, or says what the person has to do or not to do again.

    `hinted` is the `sub` of the person whom the app means.
    """

    client: str
    redirect_uri: str
    scope: str
    code_challenge: str
    state: str | None = None
    nonce: str | None = None
    launch: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str = ""
    hinted: str | None = None
    acr_values: tuple[str, ...] = ()
    response_mode: str = QUERY

    @property
    def destination(self) -> Destination:
        """Where answers go."""
        return Destination(self.redirect_uri, self.state, self.response_mode == FORM_POST)

    @property
    def silent(self) -> bool:
        """Whether no page may be shown."""
        return self.prompt == ("none",)


def named_client(params: Sequence[tuple[str, str]]) -> str:
    """The client_id. Raises Invalid when there is none, or more than one."""
    return _only(params, "client_id")


def destination(params: Sequence[tuple[str, str]], client: Client | None) -> Destination:
    """Where answers may go. Raises Invalid for an unknown client and a redirect URI that it did not register so."""
    if client is None:
        raise invalid("The app that sent you here is not registered with this server.")
    uri = _only(params, "redirect_uri")
    if uri not in client.redirect_uris:
        raise invalid(f"The app {client.name} sent an address to return to that is not one of those it registered.")
    states = [value for name, value in params if name == "state"]
    usable = len(states) == 1 and 0 < len(states[0]) <= LONGEST_WORD
    by_form = [value for name, value in params if name == "response_mode"] == [FORM_POST] and _takes_forms(uri)
    return Destination(uri, states[0] if usable else None, by_form)


def read(params: Sequence[tuple[str, str]], client: Client, goal: Destination, fhir_base: str) -> Asked:
    """What is asked. Raises Refused."""
    for name, times in Counter(name for name, _ in params).items():
        if times > 1:
            raise Refused("invalid_request", f"{name[:40]} stands more than once")
    values = {name: value for name, value in params if value}
    _check_shape(values, client)
    if "state" not in values:
        raise Refused("invalid_request", "state is required: a value that nobody can guess")
    if values.get("aud", "").removesuffix("/") != fhir_base:
        raise Refused("invalid_request", f"aud is required and is the FHIR base {fhir_base}")
    if len(values.get("scope", "").split()) > SCOPES:
        raise Refused("invalid_scope", f"a request has at most {SCOPES} scopes")
    if "launch" in values.get("scope", "").split() and "launch" not in values:
        raise Refused("invalid_request", "the scope launch needs the parameter launch that the app was started with")
    return Asked(
        client=client.id,
        redirect_uri=goal.redirect_uri,
        scope=values.get("scope", ""),
        code_challenge=_challenge(values),
        state=goal.state,
        nonce=values.get("nonce"),
        launch=values.get("launch"),
        prompt=_prompt(values),
        max_age=_max_age(values),
        login_hint=values.get("login_hint", "")[:128],
        acr_values=tuple(values.get("acr_values", "").split()),
        response_mode=values.get("response_mode", QUERY),
    )


def _only(params: Sequence[tuple[str, str]], wanted: str) -> str:
    found = [value for name, value in params if name == wanted]
    if len(found) != 1 or not found[0]:
        raise invalid(f"The app that sent you here made a mistake: {wanted} must stand once in its request.")
    return found[0]


def _check_shape(values: Mapping[str, str], client: Client) -> None:
    for name, answer in UNDERSTOOD.items():
        if name in values:
            raise Refused(*answer)
    for name in ("state", "nonce", "launch"):
        if len(values.get(name, "")) > LONGEST_WORD:
            raise Refused("invalid_request", f"{name} has at most {LONGEST_WORD} characters")
    if "response_type" not in values:
        raise Refused("invalid_request", "response_type is required")
    if values["response_type"] != "code":
        raise Refused("unsupported_response_type", "response_type must be code")
    mode = values.get("response_mode", QUERY)
    if mode not in RESPONSE_MODES:
        raise Refused("invalid_request", f"response_mode must be {' or '.join(RESPONSE_MODES)}")
    if mode == FORM_POST and not _takes_forms(values["redirect_uri"]):
        raise Refused("invalid_request", "response_mode form_post needs a redirect URI on the web")
    if CODE not in client.grants:
        raise Refused("unauthorized_client", "the client is not registered for the grant authorization_code")


def _takes_forms(uri: str) -> bool:
    """Whether a browser posts forms there; an app's own scheme takes none."""
    return uri.startswith(("https:", "http:"))


def _challenge(values: Mapping[str, str]) -> str:
    challenge = values.get("code_challenge", "")
    if not challenge:
        raise Refused("invalid_request", "code_challenge is required: PKCE with S256")
    if values.get("code_challenge_method", "plain") != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256")
    if CHALLENGE.fullmatch(challenge) is None:
        raise Refused("invalid_request", "code_challenge must be the 43 characters that S256 makes")
    return challenge


def _prompt(values: Mapping[str, str]) -> tuple[str, ...]:
    words = tuple(sorted(set(values.get("prompt", "").split())))
    if not PROMPTS.issuperset(words):
        raise Refused("invalid_request", f"prompt is made of {', '.join(sorted(PROMPTS))}")
    if "none" in words and len(words) > 1:
        raise Refused("invalid_request", "prompt=none excludes every other prompt")
    return words


def _max_age(values: Mapping[str, str]) -> int | None:
    text = values.get("max_age")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise Refused("invalid_request", "max_age is a number of seconds")
    return int(text)
