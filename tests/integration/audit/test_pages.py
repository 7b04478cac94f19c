"""Every page that shows something of somebody leaves a row; what it says, and why others leave none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from dicomweb.dimse import peers
from healix_fhir.care.relationships import handle
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import transaction
from healix_fhir.pages.routes import routes
from tests.support.dicom import ct, uid
from tests.support.gate import Pool
from tests.support.oauth import app
from tests.support.portal import account, browser, sign_in
from tests.support.search import Clinic
from tests.support.study import open_store

RECORDED: Mapping[str, tuple[str, str, list[tuple[str, str, str | None, str | None]]]] = {
    # by the address of the page: who asks for which address; action, word, entity and patient of what it leaves
    "/admin/users": ("root", "/admin/users?q=a&role=patient", [("E", "list-administered", None, None)]),
    "/admin/users/{username}": ("root", "/admin/users/Ada", [("R", "show-administered", "account/ada", None)]),
    "/admin/clients": ("root", "/admin/clients?q=a", [("E", "list-administered", None, None)]),
    "/admin/clients/{id}": ("root", "/admin/clients/<client>", [("R", "show-administered", "client/<client>", None)]),
    "/admin/studies": (
        "root", "/admin/studies?q=none", [("E", "query-unmatched", None, None), ("E", "query-study", None, None)],
    ),
    "/admin/studies/kept": ("root", "/admin/studies/kept", [("E", "query-deleted", None, None)]),
    "/admin/studies/{uid}": ("root", f"/admin/studies/{uid(1)}", [("E", "query-study", uid(1), None)]),
    "/admin/peers": ("root", "/admin/peers", [("E", "list-administered", None, None)]),
    "/admin/devices": (
        "root", "/admin/devices?q=p1", [("E", "list-administered", None, "p1")],
    ),
    "/admin/audit": ("root", "/admin/audit?person=ada", [("E", "search-type", "AuditEvent", None)]),
    **{
        f"/admin/{place}": ("root", f"/admin/{place}", [("E", "list-administered", None, None)])
        for place in ("jobs", "storage", "health", "settings")
    },
    "/admin/subscriptions": ("root", "/admin/subscriptions", [("E", "list-administered", None, None)]),
    "/admin/sync": ("root", "/admin/sync", [("E", "list-administered", None, None)]),
    "/admin/peers/known": ("root", "/admin/peers/known?aet=CT1", [("R", "show-administered", "peer/CT1", None)]),
    "/account/": ("root", "/account/", [("R", "list-break-glass", "Patient/p3", "p3")]),
    "/account/goals": (
        "ada", "/account/goals", [("E", "search-type", "Patient", "p1"), ("E", "search-type", "Goal", "p1")],
    ),
    "/account/goals/edit": ("ada", "/account/goals/edit", [("E", "search-type", "Patient", "p1")]),
    "/account/alerts": ("ada", "/account/alerts", [("E", "search-type", "Communication", "p1")]),
    "/account/flags": (
        "ada", "/account/flags?patient=p1",
        [("E", "search-type", "Patient", "p1"), *[("E", "search-type", "Flag", "p1")] * 2],
    ),
    "/admin/alerts": ("root", "/admin/alerts", [("E", "search-type", "PlanDefinition", None)]),
    "/account/access": ("ada", "/account/access", [("E", "search-type", "Patient", "p1")]),
    "/account/looked": ("ada", "/account/looked", [("E", "search-type", "AuditEvent", "p1")]),
    "/account/readings": (
        "ada", "/account/readings",
        [("E", "search-type", "Patient", "p1"), *[("E", "search-type", "Observation", "p1")] * 2],
    ),
    "/account/devices": (
        "ada", "/account/devices",
        [("E", "search-type", "Patient", "p1"), ("E", "search-type", "Device", "p1")],
    ),
    "/account/prescriptions": (
        "ada", "/account/prescriptions",
        [("E", "search-type", "Patient", "p1"), *[("E", "search-type", "MedicationRequest", "p1")] * 2,
         ("E", "search-type", "MedicationDispense", "p1"), ("E", "search-type", "MedicationStatement", "p1")],
    ),
    "/account/prescriptions/{id}/pdf": (
        "ada", "/account/prescriptions/order/pdf",
        [("R", "read", "MedicationRequest/order", "p1"), ("R", "read", "Patient/p1", "p1"),
         ("E", "search-type", "MedicationDispense", "p1"), ("E", "search-type", "MedicationRequest", "p1")],
    ),
    "/account/emergency": (
        "dr", "/account/emergency?identifier=3", [("E", "search-type", "Patient", "p3")],
    ),
}  # fmt: skip
"""The home of others than administrators is what searches find, which record themselves."""
OWN = "shows people what is their own account's"
FORM = "is a form, or says the same to everyone"
SILENT: Mapping[str, str] = {
    **dict.fromkeys(
        ("/account/reading", "/account/reading/{id}", "/account/reading/{id}/images", "/account/picture",
         "/account/orders",
         "/account/results", "/account/results/{id}",
         "/account/results/{id}/pdf", "/account/refills", "/account/prescriptions/write",
         "/account/prescriptions/{id}"),
        "shows clinicians by searches and reads, which record themselves",
    ),
    **dict.fromkeys(
        ("/account/apps", "/account/security", "/account/sessions", "/account/settings", "/account/mail/confirm"), OWN
    ),
    **dict.fromkeys(
        (
            "/", "/account", "/account/login", "/account/login/second", "/account/login/setup",
            "/account/login/passkey", "/account/login/setup/authenticator", "/account/login/setup/passkey",
            "/account/security/authenticator", "/account/security/passkey", "/account/register",
            "/account/register/confirm", "/account/reset", "/account/logout", "/oauth/logout", "/oauth/style.json",
            "/account/document", "/dicomweb", "/openapi", "/openapi.json",
            "/admin", "/admin/", "/admin/studies/retention", "/admin/users/new", "/admin/clients/new",
            "/admin/peers/new",
            "/account/assets/healix.css",
            "/account/assets/admin.css", "/account/assets/healix.svg", "/account/assets/passkey.js",
            "/account/assets/form_post.js",
        ),
        FORM,
    ),
    **dict.fromkeys(
        ("/oauth/authorize", "/account/authorize", "/account/alerts/rules"),
        "shows patients by searches, which record themselves",
    ),
    **dict.fromkeys(
        ("/account/report", "/account/report/data", "/account/report/{document}"),
        "reads and searches, which record themselves",
    ),
    **dict.fromkeys(
        (
            "/account/appointments", "/account/appointments/find", "/account/calendar", "/account/calendar/hours",
            "/calendar/{secret}",
        ),
        "shows appointments by searches, which record themselves",
    ),
}  # fmt: skip


def test_every_page_is_accounted_for() -> None:
    """Each address that answers GET leaves a row or says why not."""
    site: Any = None
    there = {route.path for route in routes(site) if isinstance(route, Route) and "GET" in (route.methods or ())}
    assert there == RECORDED.keys() | SILENT.keys()


@pytest.mark.parametrize("path", RECORDED)
@pytest.mark.spec("IHE BALP 1.1.3")
def test_pages_that_show_somebody_leave_a_row(database_url: str, pool: Pool, tmp_path: Path, path: str) -> None:
    """Who looked at what is in the trail: accounts, apps, and the patients whose records were opened."""
    who, address, expected = RECORDED[path]
    client, _ = app(pool)
    _people(pool)
    _paired(pool)
    open_store(pool, tmp_path).add(ct(1, 1, 1, size=8))
    transaction(pool, lambda: peers.add("CT1", "192.0.2.1", 104))

    async def use() -> None:
        async with browser(database_url) as browsing:
            await sign_in(browsing, who)
            (before,) = _rows(pool, "SELECT max(seq) FROM audit_event")
            answer = await browsing.get(address.replace("<client>", client))
            assert answer.status_code == 200
            rows = _rows(
                pool, f"SELECT action, subtype, entity, patient FROM audit_event WHERE seq > {before[0]} ORDER BY seq"
            )
            assert [(a, s, str(e).replace(client, "<client>") if e else None, p) for a, s, e, p in rows] == expected

    asyncio.run(use())


def _paired(pool: Pool) -> None:
    """A device of p1 with a token."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO access_token (hash, client, scope, patient, grant_id, expires)"
            " VALUES ('\\x00', 'device/w', '', 'p1', 'device/w', now() + interval '1 hour')"
        )


def _rows(pool: Pool, sql: str) -> list[tuple[Any, ...]]:
    with pool.connection() as connection:
        return connection.execute(sql.encode()).fetchall()


def _people(pool: Pool) -> None:
    """An administrator, a clinician, a patient with an account, and one whose record was opened in an emergency."""
    clinic = Clinic(pool)
    clinic.put({"resourceType": "Patient", "id": "p1"})
    clinic.put({"resourceType": "Patient", "id": "p3", "identifier": [{"value": "3"}], "name": [{"family": "Stone"}]})
    clinic.put(
        {
            "resourceType": "MedicationRequest", "id": "order", "status": "active", "intent": "order",
            "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "x"},
        }
    )  # fmt: skip
    account(pool, "root", "admin")
    account(pool, "dr", "practitioner", "Practitioner/d")
    account(pool, "ada", "patient", "Patient/p1")
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO break_glass (id, practitioner, patient, reason, ends)"
            " VALUES ('o', 'e', 'p3', 'an emergency', now() + interval '1 hour')"
        )
        while drain(connection, {"resource": [handle]}):
            pass
