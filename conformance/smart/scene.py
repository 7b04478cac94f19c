"""What the checks of SMART share: the server, the parties, what was found out, and launches that were made once."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from conformance.check import Failed, expect
from conformance.smart.asking import ALLOW, Asking, Decision, ask, parameters
from conformance.smart.browser import FORM, Browser
from conformance.smart.jose import PrivateKey, algorithm, sign
from conformance.smart.parties import App, Parties, Person
from conformance.target import Answer, Target

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JSON = {"Content-Type": "application/fhir+json"}
IDENTITY = "openid fhirUser"
STANDALONE = f"launch/patient {IDENTITY} offline_access patient/*.rs"
EHR = f"launch {IDENTITY} online_access user/*.rs"


@dataclass(frozen=True)
class Launched:
    """An app that got its tokens. `body` is what the token endpoint said."""

    app: App
    asking: Asking
    answer: Answer

    @property
    def body(self) -> dict[str, Any]:
        """The members of the answer."""
        body: dict[str, Any] = self.answer.json() or {}
        return body

    @property
    def access(self) -> str:
        """The access token."""
        return str(self.body.get("access_token", ""))

    @property
    def patient(self) -> str:
        """The patient in context. Raises Failed."""
        expect(isinstance(self.body.get("patient"), str), "the token answer names no patient")
        return str(self.body["patient"])

    @property
    def granted(self) -> set[str]:
        """The granted scopes."""
        return set(str(self.body.get("scope", "")).split())


def told_of(answer: Answer) -> str:
    """What a refusal says, and never a token."""
    return f"{answer.status} {(answer.json() or {}).get('error', '')}"


class Scene:
    """One run of the checks."""

    def __init__(self, target: Target, parties: Parties) -> None:
        self.target, self.parties = target, parties
        self.browsers: dict[str, Browser] = {}
        self.made: dict[str, str] = {}

    @property
    def fhir(self) -> str:
        """The FHIR base URL."""
        return f"{self.target.base}/fhir"

    @cached_property
    def smart(self) -> dict[str, Any]:
        """The SMART discovery document. Raises Failed."""
        return self._document("/fhir/.well-known/smart-configuration")

    @cached_property
    def openid(self) -> dict[str, Any]:
        """The OpenID discovery document of the issuer. Raises Failed."""
        return self._document(f"{self.smart.get('issuer', self.target.base)}/.well-known/openid-configuration")

    def endpoint(self, name: str) -> str:
        """An address that the SMART discovery document names. Raises Failed."""
        expect(isinstance(self.smart.get(name), str), f"the discovery document names no {name}")
        return str(self.smart[name])

    def browser(self, person: Person) -> Browser:
        """The browser of a person, who signs in at the first need."""
        return self.browsers.setdefault(person.username, Browser(self.target))

    @cached_property
    def standalone(self) -> Launched:
        """The patient lets in the app with a secret, for everything that can be read."""
        return self.launched(self.parties.symmetric, self.parties.patient, STANDALONE, nonce=secrets.token_urlsafe(8))

    @cached_property
    def ehr(self) -> Launched:
        """The practitioner starts the app with keys for a patient at an encounter."""
        launch = self.launch(self.parties.asymmetric, self.parties.practitioner, self.standalone.patient)
        return self.launched(self.parties.asymmetric, self.parties.practitioner, EHR, launch=launch)

    def launched(
        self, app: App, person: Person, scope: str, decision: Decision = ALLOW, *, post: bool = False, **more: str
    ) -> Launched:
        """Go all the way. Raises Failed."""
        asking = self.asking(app, person, scope, decision, post=post, browser=None, **more)
        answer = self.redeem(app, asking)
        expect(answer.status == 200, f"the code was not exchanged: {told_of(answer)}")
        return Launched(app, asking, answer)

    def asking(
        self,
        app: App,
        person: Person,
        scope: str,
        decision: Decision = ALLOW,
        *,
        post: bool = False,
        browser: Browser | None = None,
        **more: str | None,
    ) -> Asking:
        """Ask a person; `more` are parameters beside or instead of the right ones, None leaves one out."""
        sent, verifier = parameters(app, scope, self.fhir)
        sent = {name: value for name, value in (sent | more).items() if value is not None}
        where = self.endpoint("authorization_endpoint")
        page, offered = ask(where, browser or self.browser(person), person, sent, decision, post=post)
        return Asking(sent, verifier, page, offered)

    def redeem(self, app: App, asking: Asking, **more: str | None) -> Answer:
        """Exchange the code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": asking.code,
            "redirect_uri": asking.sent["redirect_uri"],
            "code_verifier": asking.verifier,
        }
        return self.token(app, form | more)

    def token(self, app: App, form: Mapping[str, str | None], headers: Mapping[str, str] | None = None) -> Answer:
        """A request at the token endpoint by an app that says who it is."""
        return self.as_client("token_endpoint", app, form, headers)

    def as_client(
        self, endpoint: str, app: App, form: Mapping[str, str | None], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A form posted by an app that proves who it is; members of None are left out."""
        proof, fields = self.proof(app)
        sent = {name: value for name, value in (fields | dict(form)).items() if value is not None}
        return self.target.ask(
            "POST",
            self.endpoint(endpoint),
            urlencode(sent).encode(),
            {**FORM, "Accept": "application/json", **proof, **(headers or {})},
            token=False,
        )

    def proof(self, app: App) -> tuple[dict[str, str], dict[str, str | None]]:
        """Headers and fields by which an app proves who it is."""
        if app.auth == "private_key_jwt":
            kid = next(iter(app.keys))
            return {}, {"client_assertion_type": ASSERTION, "client_assertion": self.assertion(app, kid)}
        if app.auth == "client_secret_basic":
            pair = b64encode(f"{app.client_id}:{app.secret}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}, {}
        return {}, {"client_id": app.client_id}

    def assertion(self, app: App, kid: str, key: PrivateKey | None = None, **claims: Any) -> str:
        """A client assertion, with claims other than the right ones; None leaves one out."""
        key = key or app.keys[kid]
        right = {
            "iss": app.client_id, "sub": app.client_id, "aud": self.endpoint("token_endpoint"),
            "exp": int(time.time()) + 240, "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        stated = {name: value for name, value in (right | claims).items() if value is not None}
        return sign({"alg": algorithm(key), "kid": kid, "typ": "JWT"}, stated, key)

    def get(self, path: str, token: str, **headers: str) -> Answer:
        """Read from the FHIR API with a token of an app."""
        return self.target.ask(
            "GET", f"{self.fhir}/{path}", None, {"Authorization": f"Bearer {token}", **headers}, token=False
        )

    def create(self, resource: Mapping[str, Any], *, key: str) -> str:
        """The id of a resource that is made once for each `key`, with the system token. Raises Failed."""
        if key not in self.made:
            body = json.dumps(resource).encode()
            answer = self.target.ask("POST", f"{self.fhir}/{resource['resourceType']}", body, JSON)
            expect(
                answer.status == 201, f"the checks' own {key} was not created: {answer.status} {answer.body[:200]!r}"
            )
            self.made[key] = answer.headers["location"].partition("/_history/")[0].rpartition("/")[2]
        return self.made[key]

    def launch(self, app: App, person: Person, patient: str) -> str:
        """A new launch of an app for a patient, at an encounter of this patient. Raises Failed."""
        places = {
            "client": app.client_id, "user": person.username, "patient": patient, "encounter": self.encounter(patient)
        }  # fmt: skip
        words = [word.format(**places) for word in self.parties.launch]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"the command that starts an app failed: {done.stderr.strip()[-200:]}")
        return str(json.loads(done.stdout)["launch"])

    def encounter(self, patient: str) -> str:
        """The id of an encounter of a patient. Raises Failed."""
        found = self.target.ask("GET", f"{self.fhir}/Encounter?patient={patient}&_count=1").json() or {}
        expect(found.get("entry"), f"Patient/{patient} has no Encounter to start an app at")
        return str(found["entry"][0]["resource"]["id"])

    def _document(self, where: str) -> dict[str, Any]:
        found = self.target.ask("GET", where, token=False).json()
        if not isinstance(found, dict):
            raise Failed(f"{where} is no JSON object")
        return found
