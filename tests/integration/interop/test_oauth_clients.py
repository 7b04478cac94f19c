"""Apps on oauth4webapi (npm) and fhirclient (PyPI) get their access as other people's programs do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.support.node import installed
from tests.support.oauth import public
from tests.support.registered import BACK, let_in, registered
from tests.support.serve import Served

client = pytest.importorskip("fhirclient.client")
patients = pytest.importorskip("fhirclient.models.patient")

SCRIPTS = Path(__file__).parent / "node"
SCOPE = "launch/patient openid fhirUser offline_access patient/Patient.rs"
SERVICE = "system/Patient.rs"


def started(what: str, served: Served, given: dict[str, Any]) -> subprocess.Popen[str]:
    """A running script."""
    folder, node = installed(SCRIPTS)
    command = [node, str(folder / "oauth4webapi.mjs"), what, served.url, json.dumps(given)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(script: subprocess.Popen[str], *lines: str) -> dict[str, Any]:
    """What a script saw at its end, after being told these lines."""
    out, err = script.communicate("".join(f"{line}\n" for line in lines), timeout=60)
    assert script.returncode == 0, err
    seen: dict[str, Any] = json.loads(out)
    return seen


@pytest.mark.spec("OpenID Connect Core 1.0 3.1.3.7")
@pytest.mark.spec("RFC 9207 section 2")
@pytest.mark.parametrize("auth", ["none", "client_secret_basic"])
def test_oauth4webapi(served: Served, auth: str) -> None:
    """An app that checks everything gets a code, an id token and a record, refreshes, and gives its access back."""
    client_id, secret = registered(served, auth, SCOPE)
    script = started("code", served, {"client_id": client_id, "secret": secret, "redirect_uri": BACK, "scope": SCOPE})
    assert script.stdout is not None
    seen = ended(script, let_in(served, "patient", script.stdout.readline().strip()))
    told = {"before": True, "after": False} if secret else {}
    assert seen == told | {
        "patient": "demo-jonas",
        "fhirUser": f"{served.url}/fhir/Patient/demo-jonas",
        "audience": client_id,
        "other": True,
    }


@pytest.mark.spec("RFC 7523 3")
def test_backend_service_on_oauth4webapi(served: Served, tmp_path: Path) -> None:
    """A service that signs with ES384 is let in for five minutes, and sees many patients."""
    key = ECKey.generate_key("P-384", {"kid": "one"})
    jwks = tmp_path / "jwks.json"
    jwks.write_text(public(key))
    client_id, _ = registered(served, "private_key_jwt", SERVICE, jwks=jwks)
    given = {"client_id": client_id, "key": key.as_dict(private=True), "scope": SERVICE}
    seen = ended(started("service", served, given))
    assert seen == {"scope": SERVICE, "seconds": 300, "type": "bearer", "many": True}


@pytest.mark.spec("SMART App Launch 2.2 app-launch.html#obtain-authorization-code")
@pytest.mark.parametrize("auth", ["none", "client_secret_basic"])
def test_fhirclient(served: Served, auth: str) -> None:
    """An app on fhirclient finds the endpoints by itself, is let in, reads the record, and refreshes."""
    client_id, secret = registered(served, auth, SCOPE)
    settings = {
        "app_id": client_id, "app_secret": secret, "api_base": f"{served.url}/fhir", "redirect_uri": BACK,
        "scope": SCOPE,
    }  # fmt: skip
    smart = client.FHIRClient(settings=settings)
    assert not smart.ready
    smart.handle_callback(let_in(served, "patient", smart.authorize_url))
    assert smart.patient.id == "demo-jonas"
    before = smart.server.auth.access_token
    assert smart.reauthorize()
    assert smart.server.auth.access_token not in (None, before)
    assert patients.Patient.read("demo-jonas", smart.server).name[0].family == "Lindqvist"
