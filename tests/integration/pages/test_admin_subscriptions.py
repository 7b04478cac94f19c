"""Subscriptions in the hands of an administrator, through the page."""

from __future__ import annotations

import httpx

from healix_fhir.kernel.database import transaction
from healix_fhir.subscription.status import stop
from tests.integration.pages.test_admin_clients import administering
from tests.integration.subscription.conftest import Notified
from tests.support.gate import Pool
from tests.support.portal import account, csrf
from tests.support.receiver import receiving
from tests.support.search import BASE
from tests.support.topics import to_topic


def test_a_subscription_that_fails_is_shown_and_started_again(database_url: str, pool: Pool) -> None:
    """Its state and last error are seen, but not what it asks for; the button takes it into service, audited."""
    account(pool, "root", "admin")
    clinic = Notified(pool)

    async def use(client: httpx.AsyncClient) -> None:
        assert "Nobody has subscribed" in (await client.get("/admin/subscriptions")).text
        with receiving() as receiver:
            asked = to_topic(channel={"endpoint": f"{receiver.url}/secret"}, filter="Observation?patient=p1")
            clinic.write(asked | {"id": "s"})
            clinic.events()
            clinic.deliver()
            transaction(pool, lambda: stop({"s": ("off", "the endpoint cannot be reached")}, (BASE,)))
            text = (await client.get("/admin/subscriptions")).text
            for said in ("A reading is new or changed", "rest-hook to 127.0.0.1", "cannot be reached", "off"):
                assert said in text
            assert "secret" not in text
            assert "p1" not in text
            fields = {"csrf": csrf(await client.get("/admin/peers/new"))}
            for id_, status in (("s", 303), ("none", 404)):
                assert (await client.post(f"/admin/subscriptions/{id_}/restart", data=fields)).status_code == status
            assert clinic.state("s") == ("requested", None)
            clinic.deliver()
            assert clinic.state("s") == ("active", None)
            assert "Start again" not in (await client.get("/admin/subscriptions")).text
            clinic.write(asked | {"id": "s", "status": "off"})
            clinic.events()
            assert "Start again" not in (await client.get("/admin/subscriptions")).text
            assert (await client.post("/admin/subscriptions/s/restart", data=fields)).status_code == 404
            assert clinic.state("s") == ("off", None)

    administering(database_url, use)
    with pool.connection() as connection:
        rows = connection.execute("SELECT action, account, entity FROM audit_event WHERE subtype = 'subscription'")
        assert rows.fetchall() == [("U", "root", "Subscription/s")]
