"""Checks of services without people. Inferno: backend_services_authorization, (g)(10) bulk data authorization.

Spec: SMART App Launch 2.2 backend-services.html, client-confidential-asymmetric.html
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from conformance.check import Check, expect
from conformance.smart.parties import App
from conformance.smart.scene import ASSERTION, Scene, told_of
from conformance.target import Answer

CLAUSE = "SMART App Launch 2.2 backend-services.html"
KEYS = "SMART App Launch 2.2 client-confidential-asymmetric.html"
SCOPE = "system/*.rs"
AUTHENTICATION = ("invalid_client", "invalid_request", "invalid_grant")


def _ask(scene: Scene, assertion: str, **more: str) -> Answer:
    form = {
        "grant_type": "client_credentials", "scope": SCOPE, "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
    }  # fmt: skip
    bare = App("", "", "", "", "", {})
    return scene.token(bare, {"client_id": None} | form | more)


def _let_in(scene: Scene, kid: str) -> dict[str, Any]:
    answer = _ask(scene, scene.assertion(scene.parties.service, kid))
    expect(answer.status == 200, f"answered {told_of(answer)}")
    body: dict[str, Any] = answer.json() or {}
    return body


def with_key(kid: str, scene: Scene) -> None:
    """A service with a key gets a token."""
    expect(_let_in(scene, kid).get("access_token"), "there is no token")


def token_answer(scene: Scene) -> None:
    """Its members: five minutes at most, and no refresh token."""
    body = _let_in(scene, "es")
    missing = [name for name in ("access_token", "token_type", "expires_in", "scope") if not body.get(name)]
    expect(not missing, f"missing: {missing}")
    expect(body["token_type"].lower() == "bearer", f"token_type is {body['token_type']!r}")
    expect(body["expires_in"] <= 300, f"it lives for {body['expires_in']} s")
    expect(body["scope"].split() == [SCOPE], f"the scope is {body['scope']!r}")
    expect("refresh_token" not in body, "there is a refresh token")


def many_patients(scene: Scene) -> None:
    """The token opens the records of several patients."""
    token = _let_in(scene, "es")["access_token"]
    answer = scene.get("Patient?_count=10", token)
    found = {entry["resource"]["id"] for entry in (answer.json() or {}).get("entry", ())}
    expect(answer.status == 200 and len(found) > 1, f"answered {answer.status} with {len(found)} patients")


def not_more(scene: Scene) -> None:
    """It gets no more than what it is registered for."""
    answer = _ask(scene, scene.assertion(scene.parties.service, "es"), scope="system/*.cruds")
    granted = str((answer.json() or {}).get("scope", "")).split()
    wide = [word for word in granted if set("cud") & set(word.rpartition(".")[2])]
    expect(answer.status == 400 or not wide, f"it got {granted}")


def wrong_form(error: str, more: dict[str, str], scene: Scene) -> None:
    """A form with another grant, or another kind of assertion."""
    answer = _ask(scene, scene.assertion(scene.parties.service, "es"), **more)
    told = (answer.json() or {}).get("error")
    expect(answer.status in (400, 401) and told, f"answered {answer.status} {told}")
    expect(not error or told == error, f"the error is {told}")


def wrong_assertion(make: Callable[[Scene], str], scene: Scene) -> None:
    """An assertion that is not right."""
    answer = _ask(scene, make(scene))
    told = (answer.json() or {}).get("error")
    expect(answer.status in (400, 401), f"answered {answer.status}")
    expect(told in AUTHENTICATION, f"the error is {told}")


def _claims(**claims: Any) -> Callable[[Scene], str]:
    """An assertion with these claims; `exp` counts from now."""

    def make(scene: Scene) -> str:
        stated = claims | ({"exp": int(time.time()) + claims["exp"]} if claims.get("exp") is not None else {})
        return scene.assertion(scene.parties.service, "es", **stated)

    return make


def _by_stranger(scene: Scene) -> str:
    return scene.assertion(scene.parties.service, "es", ec.generate_private_key(ec.SECP384R1()))


def _used(scene: Scene) -> str:
    assertion = scene.assertion(scene.parties.service, "es", jti=secrets.token_urlsafe(16))
    expect(_ask(scene, assertion).status == 200, "the first use was refused")
    return assertion


def _unsigned(scene: Scene) -> str:
    claims = scene.assertion(scene.parties.service, "es").split(".")[1]
    return f"eyJhbGciOiJub25lIn0.{claims}."


ASSERTIONS: dict[str, Callable[[Scene], str]] = {
    "another iss": _claims(iss="none"),
    "another sub": _claims(sub="none"),
    "another aud": _claims(aud="https://elsewhere.example/token"),
    "no aud": _claims(aud=None),
    "an exp that is over": _claims(exp=-60),
    "an exp in an hour": _claims(exp=3600),
    "no exp": _claims(exp=None),
    "no jti": _claims(jti=None),
    "a jti used before": _used,
    "a stranger's signature": _by_stranger,
    "no signature": _unsigned,
}

CHECKS = (
    Check(KEYS, "a service with ES384 is let in", partial(with_key, "es")),
    Check(KEYS, "a service with RS384 is let in", partial(with_key, "rs")),
    Check(f"{CLAUSE}#issue-access-token", "the token answer has its members", token_answer),
    Check(CLAUSE, "a service sees many patients", many_patients),
    Check(CLAUSE, "a service gets no more than it is registered for", not_more),
    Check(f"{CLAUSE}#obtain-access-token", "another grant_type gives no token",
          partial(wrong_form, "unsupported_grant_type", {"grant_type": "not_a_grant_type"})),
    Check(f"{CLAUSE}#obtain-access-token", "another client_assertion_type gives no token",
          partial(wrong_form, "", {"client_assertion_type": "not_an_assertion_type"})),
    *(Check(KEYS, f"an assertion with {name} gives no token", partial(wrong_assertion, make))
      for name, make in ASSERTIONS.items()),
)  # fmt: skip
