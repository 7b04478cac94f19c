"""What of an authorization request is refused, and to whom that is told."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth.authorize.answer import Destination, Refused
from smart_auth.oauth.authorize.request import Asked, destination, named_client, read
from smart_auth.oauth.clients import Client

BASE = "http://healix.test/fhir"
APP = "https://app.test/back?x=1"
CLIENT = Client("app", "App", "none", None, "patient/*.rs", (APP,), ("authorization_code",), None, None, None)
GOOD = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": APP,
    "scope": "patient/Observation.rs openid",
    "state": "s&=#é",
    "aud": BASE,
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


def asked(*more: tuple[str, str], client: Client = CLIENT) -> Asked:
    """The good request read, with `more` instead of its own values."""
    given = {name for name, _ in more}
    params = [(name, value) for name, value in GOOD.items() if name not in given] + list(more)
    return read(params, client, destination(params, client), BASE)


def test_a_good_request() -> None:
    """A request that has what SMART asks for is understood."""
    read_ = asked(("nonce", "n"), ("prompt", "login consent"), ("max_age", "60"), ("login_hint", "ada"))
    assert (read_.client, read_.redirect_uri, read_.state) == ("app", APP, "s&=#é")
    assert (read_.nonce, read_.prompt, read_.max_age, read_.login_hint) == ("n", ("consent", "login"), 60, "ada")
    assert asked(("aud", f"{BASE}/")).scope == GOOD["scope"]


REFUSED: list[tuple[str, dict[str, str]]] = [
    ("invalid_request", {"aud": "http://other.test/fhir"}),
    ("invalid_request", {"aud": f"{BASE}/Patient"}),
    ("unsupported_response_type", {"response_type": "token"}),
    ("unsupported_response_type", {"response_type": "code id_token"}),
    ("invalid_request", {"response_mode": "fragment"}),
    ("invalid_request", {"response_mode": "form_post.jwt"}),
    ("invalid_request", {"code_challenge_method": "plain"}),
    ("invalid_request", {"code_challenge_method": "s256"}),
    ("invalid_request", {"code_challenge": "short"}),
    ("invalid_request", {"code_challenge": "=" * 43}),
    ("invalid_request", {"prompt": "none login"}),
    ("invalid_request", {"prompt": "create"}),
    ("invalid_request", {"max_age": "-1"}),
    ("invalid_request", {"max_age": "x"}),
    ("invalid_request", {"scope": "launch patient/*.rs"}),
    ("invalid_scope", {"scope": "openid " * 101}),
    ("invalid_request", {"state": "s" * 2049}),
    ("invalid_request", {"nonce": "s" * 2049}),
    ("request_not_supported", {"request": "e30."}),
    ("request_uri_not_supported", {"request_uri": "https://app.test/r"}),
    ("registration_not_supported", {"registration": "{}"}),
]


@pytest.mark.parametrize(("error", "changed"), REFUSED, ids=[f"{next(iter(changed))}" for _, changed in REFUSED])
@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
def test_wrong_values_are_told_to_the_app(error: str, changed: dict[str, str]) -> None:
    """Each wrong value is refused with the error code of its kind."""
    with pytest.raises(Refused) as refused:
        asked(*changed.items())
    assert refused.value.error == error


@pytest.mark.parametrize("name", ["response_type", "state", "aud", "code_challenge", "code_challenge_method"])
@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
def test_required_parameters(name: str) -> None:
    """What is missing is refused; without a method a challenge means plain, which is refused."""
    with pytest.raises(Refused) as refused:
        asked((name, ""))
    assert refused.value.error == "invalid_request"


@pytest.mark.parametrize("name", ["display", "ui_locales", "claims_locales", "claims", "acr_values", "unheard_of"])
@pytest.mark.spec("OpenID Connect Core 1.0 3.1.2.1")
@pytest.mark.spec("RFC 6749 section 3.1")
def test_wishes_do_not_fail(name: str) -> None:
    """Wishes for a display or language, and what nobody has heard of, are no ground to refuse."""
    assert asked((name, "anything")).scope == GOOD["scope"]


@pytest.mark.parametrize("name", ["scope", "state", "aud", "code_challenge", "nonce"])
@pytest.mark.spec("RFC 6749 section 3.1")
def test_parameters_stand_once(name: str) -> None:
    """A parameter that stands twice is refused; of two states none is handed back."""
    with pytest.raises(Refused, match="more than once"):
        asked((name, "other"), (name, "again"))
    assert destination([*GOOD.items(), ("state", "other")], CLIENT).state is None


def test_the_grant_has_to_be_registered() -> None:
    """A client of Backend Services cannot send people here."""
    with pytest.raises(Refused) as refused:
        asked(client=Client("b", "B", "none", None, "", (APP,), ("client_credentials",), None, None, None))
    assert refused.value.error == "unauthorized_client"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.test/back?x=1",
        "https://app.test/back",
        "https://app.test/back?x=1&y=2",
        "https://app.test/back?x=1#",
        "https://app.test/back/?x=1",
        "https://app.test/back/../back?x=1",
        "https://app.test:443/back?x=1",
        "https://APP.test/back?x=1",
        "https://app.test@evil.test/back?x=1",
        "http://app.test/back?x=1",
        "//app.test/back?x=1",
        "javascript:alert(1)",
        "",
    ],
)
@pytest.mark.spec("RFC 9700 section 2.1")
def test_only_registered_addresses(uri: str) -> None:
    """An address that is not to the letter a registered one is told to the person, and nobody is redirected."""
    with pytest.raises(HealixError) as refused:
        destination([*{**GOOD, "redirect_uri": uri}.items()], CLIENT)
    assert refused.value.category is Category.INVALID


@pytest.mark.parametrize("more", [("redirect_uri", APP), ("redirect_uri", "https://evil.test/"), ("client_id", "app")])
def test_one_client_and_one_address(more: tuple[str, str]) -> None:
    """Two clients or two addresses, even the same, are no ground to redirect on."""
    params = [*GOOD.items(), more]
    with pytest.raises(HealixError, match="must stand once"):
        destination(params, CLIENT if named_client(params) else None)


def test_unknown_client() -> None:
    """The person is told of a client that is not registered."""
    with pytest.raises(HealixError, match="not registered"):
        destination([*GOOD.items()], None)


@pytest.mark.spec("RFC 9207 section 2")
@pytest.mark.spec("RFC 6749 section 4.1.2.1")
def test_answers() -> None:
    """An answer keeps the address's own query, hands back the state to the letter and names the issuer."""
    goal = Destination(APP, "s&=#é")
    for answer, expected in (
        (goal.with_code("c+d", "http://healix.test"), {"code": "c+d"}),
        (
            goal.with_error(Refused("invalid_request", 'say "é\\'), "http://healix.test"),
            {"error": "invalid_request", "error_description": "say '''"},
        ),
    ):
        parts = urlsplit(answer.address)
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "app.test", "/back", "")
        query = dict(parse_qsl(parts.query))
        assert query == {"x": "1", "state": "s&=#é", "iss": "http://healix.test", **expected}


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode 2")
def test_answers_by_a_form() -> None:
    """An app that wants a form gets one, also for errors; an app with a scheme of its own cannot."""
    assert asked(("response_mode", "form_post")).destination.by_form is True
    assert asked(("response_mode", "query")).destination.by_form is False
    assert destination([*GOOD.items(), ("response_mode", "form_post")], CLIENT).by_form is True
    own = "com.example.app:/back"
    native = Client("n", "N", "none", None, "patient/*.rs", (own,), ("authorization_code",), None, None, None)
    with pytest.raises(Refused, match="on the web"):
        asked(("redirect_uri", own), ("response_mode", "form_post"), client=native)
    params = [*{**GOOD, "redirect_uri": own}.items(), ("response_mode", "form_post")]
    assert destination(params, native).by_form is False
