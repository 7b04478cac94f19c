"""Upstreams and conflicts in the hands of an administrator, through the page."""

from __future__ import annotations

import httpx

from healix_fhir.care.sync.upstream import Upstream, put
from healix_fhir.care.sync.waiting import Refusal, Settled, next_of, settle
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import transaction
from healix_fhir.model.json import encode
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal
from tests.integration.pages.test_admin_clients import administering, send
from tests.support.gate import Pool
from tests.support.portal import account
from tests.support.resources import patient
from tests.support.search import BASE

ACCESS = internal("test")


def test_an_upstream_and_what_it_did_not_take(database_url: str, pool: Pool) -> None:
    """Its state, and conflicts with where they differ but not with what is in them; each choice does what it says."""
    account(pool, "root", "admin")
    for id_ in ("a", "b", "c"):
        made = change(Method.PUT, patient(id=id_, name=[{"family": "Secretname"}]), "Patient", id_, (BASE,))
        transaction(pool, lambda made=made: commit(ACCESS, [made]))  # type: ignore[misc]

    async def use(client: httpx.AsyncClient) -> None:
        assert "Nothing goes to another server" in (await client.get("/admin/sync")).text
        transaction(pool, lambda: put(ACCESS, Upstream("center", "https://center.example/fhir")))
        several = transaction(pool, lambda: next_of("center"))
        theirs = encode(patient(id="a", name=[{"family": "Othername"}]))
        refusals = [
            Refusal("it was changed there meanwhile", refused=False, etag='W/"4"', theirs=theirs),
            Refusal("it was deleted there", refused=False),
            Refusal("status 422: no identifier", refused=True),
        ]
        settled = [Settled(one, refusal=why) for one, why in zip(several, refusals, strict=True)]
        transaction(pool, lambda: settle("center", settled))
        text = (await client.get("/admin/sync")).text
        for said in (
            "center",
            "needs a decision",
            "Patient/a",
            "They differ in: name",
            "W/&#34;4&#34;",
            "no identifier",
        ):
            assert said in text
        assert "Secretname" not in text
        assert "Othername" not in text
        fields = {"resource": "Patient/a", "version": "1", "keep": "theirs"}
        for changes, status in (({"version": "2"}, 404), ({"keep": "all"}, 400), ({"version": "x"}, 400), ({}, 303)):
            answer = await send(client, "/admin/sync/center/decide", **{**fields, **changes})
            assert answer.status_code == status
        answer = await send(client, "/admin/sync/center/decide", resource="Patient/b", version="1", keep="neither")
        assert answer.status_code == 303
        assert (await send(client, "/admin/sync/center/retry")).status_code == 303
        assert (await send(client, "/admin/sync/none/retry")).status_code == 404
        assert "There is nothing to decide" in (await client.get("/admin/sync")).text

    administering(database_url, use)
    with pool.connection() as connection:
        family = connection.execute("SELECT convert_from(body, 'UTF8')::json->'name' FROM resource WHERE id = 'a'")
        assert family.fetchall() == [([{"family": "Othername"}],)]
        rows = connection.execute(
            "SELECT account, action, entity, query FROM audit_event WHERE subtype LIKE 'sync-%' AND account = 'root'"
        )
        assert rows.fetchall() == [
            ("root", "U", "Patient/a", "center: keep theirs"),
            ("root", "U", "Patient/b", "center: keep neither"),
            ("root", "E", None, "retry center"),
        ]
