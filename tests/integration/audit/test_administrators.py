"""Administrators manage the server and read no charts."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.ids import logical_id
from healix_fhir.model.json import encode
from tests.integration.audit.test_audit_event import FHIR
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient


def shown(client: httpx.Client, who: str) -> set[str]:
    """On which paths something of the patient comes."""
    paths = {
        "read": f"/fhir/Observation/{who}",
        "search": f"/fhir/Observation?subject=Patient/{who}",
        "history": "/fhir/Observation/_history",
    }
    answers = {name: client.get(path) for name, path in paths.items()}
    shown = {name: answer.json().get("entry", []) for name, answer in answers.items() if answer.status_code == 200}
    return {name for name, entries in shown.items() if who in str(entries) or name == "read"}


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds"])
def test_a_token_of_an_administrator_opens_no_chart(server: LiveServer, module_database_url: str, scope: str) -> None:
    """An administrator gets no such token, and one from before the account was an administrator's opens nothing."""
    who = f"chart-{logical_id()[:8]}"
    with server.client("system/*.cruds") as system:
        for made in (patient(id=who), observation(f"Patient/{who}", id=who)):
            target = f"/fhir/{made['resourceType']}/{who}"
            system.put(target, content=encode(made), headers=FHIR).raise_for_status()
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash) VALUES (%s, 'practitioner', %s, '')",
            (who, f"Practitioner/{who}"),
        )
        connection.execute(
            "INSERT INTO care_relationship (practitioner, pat, source) SELECT id, pat, 'test' FROM patient_key"
            " WHERE id = %s",
            (who,),
        )
        with server.client(scope, username=who, patient=who) as client:
            assert shown(client, who) == {"read", "search", "history"}
            connection.execute("UPDATE account SET role = 'admin' WHERE username = %s", (who,))
            connection.execute("SELECT pg_notify('healix_token', '')")
            assert client.get("/fhir/metadata").status_code == 200
            _forgotten(client, who)
            assert shown(client, who) == set()
    with pytest.raises(HealixError):
        server.token(scope, username=who, patient=who)


def _forgotten(client: httpx.Client, who: str) -> None:
    """Wait until the process has heard that tokens may have changed."""
    for _ in range(200):
        if client.get(f"/fhir/Observation/{who}").status_code == 404:
            return
    raise AssertionError("the token is still good for charts")
