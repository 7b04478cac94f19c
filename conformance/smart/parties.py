"""Who takes part in the checks of SMART: two people with accounts, four registered apps, and how an app is started.

They are named in a JSON file, which `python -m conformance.smart.prepare` makes for a Healix server:

    {"people": {"patient": {"username": …, "password": …}, "practitioner": {…}},
     "apps": {"public" | "symmetric" | "asymmetric" | "service":
              {"client_id": …, "auth": …, "redirect_uri": …, "launch_uri": …, "post_logout_redirect_uri": …,
               "secret": …, "keys": {"kid": "PEM"}}},
     "launch": ["a command that prints JSON with a new launch", "{client}", "{user}", "{patient}", "{encounter}"]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from conformance.smart.jose import PrivateKey

APPS = ("public", "symmetric", "asymmetric", "service")


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    username: str
    password: str


@dataclass(frozen=True)
class App:
    """A registered client. `auth` is its token_endpoint_auth_method, `keys` are its private keys by kid."""

    client_id: str
    auth: str
    redirect_uri: str
    launch_uri: str
    secret: str
    keys: Mapping[str, PrivateKey]
    post_logout_redirect_uri: str = ""


@dataclass(frozen=True)
class Parties:
    """Everybody. `launch` is the command that starts an app, with places to fill in."""

    patient: Person
    practitioner: Person
    public: App
    symmetric: App
    asymmetric: App
    service: App
    launch: tuple[str, ...]


def read(path: Path) -> Parties:
    """The parties that a file names."""
    stated = json.loads(path.read_text(encoding="utf-8"))
    patient, practitioner = (Person(**stated["people"][name]) for name in ("patient", "practitioner"))
    public, symmetric, asymmetric, service = (_app(stated["apps"][name]) for name in APPS)
    return Parties(patient, practitioner, public, symmetric, asymmetric, service, tuple(stated["launch"]))


def _app(stated: Mapping[str, Any]) -> App:
    keys = {
        kid: cast("PrivateKey", load_pem_private_key(pem.encode(), None)) for kid, pem in stated.get("keys", {}).items()
    }
    return App(
        stated["client_id"],
        stated["auth"],
        stated.get("redirect_uri", ""),
        stated.get("launch_uri", ""),
        stated.get("secret", ""),
        keys,
        stated.get("post_logout_redirect_uri", ""),
    )
