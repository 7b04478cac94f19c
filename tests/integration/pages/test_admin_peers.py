"""DIMSE peers in the hands of an administrator, through the pages."""

from __future__ import annotations

import html
from typing import Any

import httpx
import pytest

from dicomweb.dimse import peers
from dicomweb.dimse.peers import ALL, Peer, Right
from healix_fhir.kernel.database import transaction
from tests.integration.pages.test_admin_clients import administering
from tests.support.gate import Pool
from tests.support.portal import account, csrf

CT = {
    "aet": "CT/1 <a>",
    "host": "10.1.2.20",
    "port": "104",
    "networks": "10.1.2.0/24\n2001:db8::7",
    "associations": "2",
}
SOME = {"right": ["echo", "store"]}


async def send(client: httpx.AsyncClient, path: str, fields: dict[str, Any]) -> httpx.Response:
    """Send a form as the pages make it."""
    token = csrf(await client.get("/admin/peers/new"))
    return await client.post(path, data={"csrf": token, **fields})


def known(pool: Pool) -> list[Peer]:
    """Who is known."""
    return transaction(pool, peers.known)


def trail(pool: Pool) -> list[tuple[Any, ...]]:
    """What the audit trail says of peers."""
    with pool.connection() as connection:
        return connection.execute(
            "SELECT action, account, entity, query FROM audit_event WHERE subtype = 'peer' ORDER BY seq"
        ).fetchall()


def test_a_peer_is_added_shown_changed_and_removed(database_url: str, pool: Pool) -> None:
    """An administrator does with forms what the command line does, audited under the account."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        assert "No peer is known" in (await client.get("/admin/peers")).text
        added = await send(client, "/admin/peers", CT | SOME | {"tls": "yes"})
        assert (added.status_code, added.headers["location"]) == (303, "/admin/peers")
        (peer,) = known(pool)
        assert (peer.aet, peer.host, peer.port, peer.tls, peer.associations) == ("CT/1 <a>", "10.1.2.20", 104, True, 2)
        assert peer.rights == {Right.ECHO, Right.STORE}
        assert list(map(str, peer.networks)) == ["10.1.2.0/24", "2001:db8::7/128"]
        text = (await client.get("/admin/peers")).text
        assert 'href="/admin/peers/known?aet=CT%2F1+%3Ca%3E"' in html.unescape(text)
        shown = await client.get("/admin/peers/known", params={"aet": peer.aet})
        assert html.escape(peer.aet) in shown.text
        assert shown.text.count(" checked") == 3
        everything = {"right": [right.value for right in ALL]}
        changed = await send(client, "/admin/peers/known", CT | everything | {"networks": "", "associations": ""})
        assert (changed.status_code, changed.headers["location"]) == (303, "/admin/peers/known?aet=CT%2F1+%3Ca%3E")
        assert known(pool) == [Peer("CT/1 <a>", "10.1.2.20", 104)]
        removed = await send(client, "/admin/peers/known/remove", {"aet": peer.aet})
        assert (removed.status_code, removed.headers["location"]) == (303, "/admin/peers")
        assert known(pool) == []
        assert (await client.get("/admin/peers/known", params={"aet": peer.aet})).status_code == 404

    administering(database_url, use)
    said = "10.1.2.20:104 echo,store from 10.1.2.0/24 from 2001:db8::7/128 TLS 2 associations"
    assert trail(pool) == [
        ("U", "root", "CT/1 <a>", said),
        ("U", "root", "CT/1 <a>", "10.1.2.20:104 every service"),
        ("D", "root", "CT/1 <a>", None),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"aet": "A\\B"}, "an AE title has 1 to 16"),
        ({"host": "a b"}, "the host must be"),
        ({"port": "x"}, "write the port as a whole number"),
        ({"port": "65536"}, "the port must be between"),
        ({"networks": "10.1.2.3/8"}, "no address and no network"),
        ({"associations": "0"}, "between 1 and 9999 associations"),
        ({"aet": "OLD"}, "there is a peer OLD already"),
    ],
)
def test_what_is_no_peer_is_told_on_the_form(
    database_url: str, pool: Pool, wrong: dict[str, str], message: str
) -> None:
    """The form is shown again with what was written and what is wrong with it; nothing is kept."""
    account(pool, "root", "admin")
    transaction(pool, lambda: peers.add("OLD", "h", 104))

    async def use(client: httpx.AsyncClient) -> None:
        answer = await send(client, "/admin/peers", CT | SOME | wrong)
        assert answer.status_code == 400
        assert message in html.unescape(answer.text)
        assert html.escape((CT | wrong)["networks"]) in answer.text
        assert len(known(pool)) == 1

    administering(database_url, use)


def test_who_is_not_known_is_not_changed(database_url: str, pool: Pool) -> None:
    """Changing and removing need somebody to be there: a form never makes what another one removed meanwhile."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        assert (await send(client, "/admin/peers/known", CT | SOME)).status_code == 404
        assert (await send(client, "/admin/peers/known/remove", {"aet": "CT1"})).status_code == 404
        assert known(pool) == []

    administering(database_url, use)


def test_without_a_right_it_is_only_called(database_url: str, pool: Pool) -> None:
    """A form without a checked right makes a peer that may ask for nothing."""
    account(pool, "root", "admin")

    async def use(client: httpx.AsyncClient) -> None:
        assert (await send(client, "/admin/peers", CT)).status_code == 303
        assert known(pool)[0].rights == frozenset()
        assert "is only called" in (await client.get("/admin/peers")).text

    administering(database_url, use)
