"""The server as passkeys know it, and what it refuses of their answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.oauth.factors.party import RelyingParty, read_signed
from tests.support.authenticator import ELIGIBLE, PRESENT, VERIFIED, Authenticator

PARTY = RelyingParty("https://healix.test")
CHALLENGE = bytes(range(32))
HANDLE = b"h" * 64


def created() -> dict[str, Any]:
    """What a browser is asked that makes a passkey."""
    asked: dict[str, Any] = json.loads(PARTY.creation("ada", HANDLE, CHALLENGE, [b"known"]))
    return asked


@pytest.mark.spec("WebAuthn Level 2 section 5.1.2")
@pytest.mark.parametrize(
    ("root", "name", "origin", "usable"),
    [
        ("https://fhir.example.org", "fhir.example.org", "https://fhir.example.org", True),
        ("https://FHIR.example.org:8443", "fhir.example.org", "https://fhir.example.org:8443", True),
        ("https://fhir.example.org:443", "fhir.example.org", "https://fhir.example.org", True),
        ("http://localhost:8080", "localhost", "http://localhost:8080", True),
        ("http://fhir.example.org", "fhir.example.org", "http://fhir.example.org", False),
        ("http://127.0.0.1:8080", "127.0.0.1", "http://127.0.0.1:8080", False),
        ("https://192.0.2.1", "192.0.2.1", "https://192.0.2.1", False),
        ("https://[2001:db8::1]", "2001:db8::1", "https://2001:db8::1", False),
    ],
)
def test_names(root: str, name: str, origin: str, usable: bool) -> None:
    """Passkeys are bound to the server's name; there are none for addresses, nor without TLS but on this machine."""
    party = RelyingParty(root)
    assert (party.id, party.origin, party.usable) == (name, origin, usable)


@pytest.mark.spec("WebAuthn Level 2 section 5.4")
def test_what_a_new_passkey_has_to_be() -> None:
    """It can be found without a name, unlocks with its owner, tells nothing of its maker, and is not one known."""
    asked = created()
    assert asked["authenticatorSelection"]["requireResidentKey"] is True
    assert (asked["attestation"], asked["rp"]["id"], len(asked["excludeCredentials"])) == ("none", "healix.test", 1)
    assert "ada" not in asked["user"]["id"]


@pytest.mark.spec("WebAuthn Level 2 section 7.1")
def test_a_new_passkey() -> None:
    """A good answer is a passkey; whether it may be on several devices is told by its flag."""
    key = Authenticator()
    made = PARTY.made(key.make(created()), CHALLENGE)
    assert (made.id, made.sign_count, made.synced) == (key.id, 0, False)
    synced = Authenticator(flags=PRESENT | VERIFIED | ELIGIBLE)
    assert PARTY.made(synced.make(created()), CHALLENGE).synced


BENT = {
    "another server": {"rp": "evil.test"},
    "another origin": {"origin": "https://evil.test"},
    "another port": {"origin": "https://healix.test:8443"},
    "not unlocked": {"flags": PRESENT},
    "nobody there": {"flags": VERIFIED},
    "another challenge": {"challenge": "AAAA"},
    "within another page": {"cross_origin": True},
}


@pytest.mark.spec("WebAuthn Level 2 section 7.1")
@pytest.mark.parametrize("bent", BENT.values(), ids=list(BENT))
def test_bent_registrations(bent: dict[str, Any]) -> None:
    """What is for another server, page, challenge, or was made without its owner is refused."""
    with pytest.raises(HealixError) as refused:
        PARTY.made(Authenticator(**bent).make(created()), CHALLENGE)
    assert refused.value.category is Category.INVALID


@pytest.mark.spec("WebAuthn Level 2 section 7.2")
@pytest.mark.parametrize("bent", [{}, *BENT.values()], ids=["right", *BENT])
def test_bent_signatures(bent: dict[str, Any]) -> None:
    """The same of signatures; the right one is taken."""
    key = Authenticator()
    made = PARTY.made(key.make(created()), CHALLENGE)
    answer = read_signed(replace(key, **bent).sign(json.loads(PARTY.request(CHALLENGE))))
    assert (answer.credential, answer.handle) == (key.id, HANDLE)
    if not bent:
        assert PARTY.count(answer, CHALLENGE, made.public_key) == 1
        return
    with pytest.raises(HealixError) as refused:
        PARTY.count(answer, CHALLENGE, made.public_key)
    assert refused.value.category is Category.UNAUTHENTICATED


def test_a_signature_of_another_key() -> None:
    """A passkey with the same id and another key is refused."""
    key = Authenticator()
    made = PARTY.made(key.make(created()), CHALLENGE)
    other = Authenticator(id=key.id, handle=key.handle)
    with pytest.raises(HealixError, match="not right"):
        PARTY.count(read_signed(other.sign({"challenge": "AAECAwQF"})), CHALLENGE, made.public_key)


FIELDS = '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"AA","authenticatorData":"AA",%s}}'
ODD = [
    "", "null", "[]", "{}", "x" * 20_000, "[" * 5000, '{"id": 1}', '{"id":"A","rawId":"%","type":"public-key"}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":[]}',
    FIELDS % '"signature":"AA","attestationObject":"AA","userHandle":7',
    FIELDS % '"signature":"AA","attestationObject":"/w","userHandle":"\\ud800"',
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_answer(text: str) -> None:
    """Anything that is not an answer of an authenticator is refused, not a failure."""
    with pytest.raises(HealixError) as refused:
        PARTY.made(text, CHALLENGE)
    assert refused.value.category is Category.INVALID
    with pytest.raises(HealixError) as refused:
        PARTY.count(read_signed(text), CHALLENGE, b"\xa0")
    assert refused.value.category is Category.UNAUTHENTICATED
