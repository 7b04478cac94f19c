"""The DIMSE peers: their list, the form that makes one known, and the page of one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dicomweb.dimse.peers import ALL, Peer, Right, add, find, known, remove, unknown
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import Words
from healix_fhir.pages.admin.gate import at, is_fresh
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

PEERS = "peers"
SERVICES = Words(
    {
        Right.ECHO: "verify the connection (C-ECHO)",
        Right.STORE: "send images (C-STORE)",
        Right.FIND: "search studies (C-FIND)",
        Right.GET: "retrieve on its association (C-GET)",
        Right.MOVE: "have studies sent to known peers (C-MOVE)",
        Right.WORKLIST: "ask for the modality worklist",
        Right.MPPS: "report performed steps (MPPS)",
        Right.COMMIT: "ask whether images are safe (storage commitment)",
        Right.UPS: "work on workitems (UPS)",
    }
)
LONGEST_NUMBER = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """What the form holds, as somebody wrote it."""

    aet: str = ""
    host: str = ""
    port: str = "104"
    rights: frozenset[str] = frozenset(ALL)
    networks: str = ""
    tls: bool = False
    associations: str = ""


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/peers"""
    who = origin(request, session)
    found = await atransaction(site.pool, lambda: _all(who))
    return page(
        "admin/peers.html",
        username=session.account.username,
        csrf=session.csrf,
        peers=[(peer, _address(peer.aet)) for peer in found],
        everything=ALL,
    )


async def form(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/peers/new"""
    del site, request
    return _form(session, Filled())


async def create(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/peers"""
    sent, who = _filled(fields), origin(request, session)
    try:
        await atransaction(site.pool, lambda: _created(sent, who))
    except HealixError as error:
        if error.category not in (Category.INVALID, Category.CONFLICT):
            raise
        return _form(session, sent, error=error.message)
    return RedirectResponse(at(PEERS), 303)


async def show(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/peers/known with `aet`"""
    aet, who = request.query_params.get("aet", ""), origin(request, session)
    peer = await atransaction(site.pool, lambda: _one(aet, who))
    return _form(session, _written(peer), is_known=True)


async def change(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/peers/known with all that is known of `aet`."""
    sent, who = _filled(fields), origin(request, session)
    try:
        await atransaction(site.pool, lambda: _changed(sent, who))
    except HealixError as error:
        if error.category is not Category.INVALID:
            raise
        return _form(session, sent, is_known=True, error=error.message)
    return RedirectResponse(_address(sent.aet), 303)


async def forget(site: Site, request: Request, session: Session, fields: Fields) -> Response:
    """POST /admin/peers/known/remove with `aet`."""
    aet, who = one(fields, "aet"), origin(request, session)
    await atransaction(site.pool, lambda: remove(aet, who))
    return RedirectResponse(at(PEERS), 303)


def _all(who: Origin) -> Work[list[Peer]]:
    found = yield from known()
    yield looking.listed(who, "peer")
    return found


def _one(aet: str, who: Origin) -> Work[Peer]:
    peer = yield from find(aet)
    if peer is None:
        raise unknown(aet)
    yield looking.shown(who, "peer", aet)
    return peer


def _created(sent: Filled, who: Origin) -> Work[None]:
    if (yield from find(sent.aet)) is not None:
        raise HealixError(Category.CONFLICT, f"there is a peer {sent.aet} already")
    yield from _kept(sent, who)


def _changed(sent: Filled, who: Origin) -> Work[None]:
    if (yield from find(sent.aet)) is None:
        raise unknown(sent.aet)
    yield from _kept(sent, who)


def _kept(sent: Filled, who: Origin) -> Work[Peer]:
    every = sent.rights >= ALL
    return add(
        sent.aet,
        sent.host,
        _number(sent.port, "the port"),
        None if every else [right for right in Right if right in sent.rights],
        networks=sent.networks.split(),
        tls=sent.tls,
        associations=_number(sent.associations, "how many associations") if sent.associations else None,
        origin=who,
    )


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise invalid(f"write {what} as a whole number", code="value")
    return int(text)


def _filled(fields: Fields) -> Filled:
    return Filled(
        one(fields, "aet"),
        one(fields, "host"),
        one(fields, "port"),
        frozenset(fields.get("right", ())),
        one(fields, "networks"),
        one(fields, "tls") == "yes",
        one(fields, "associations"),
    )


def _written(peer: Peer) -> Filled:
    return Filled(
        peer.aet,
        peer.host,
        str(peer.port),
        frozenset(peer.rights),
        "\n".join(map(str, peer.networks)),
        peer.tls,
        "" if peer.associations is None else str(peer.associations),
    )


def _address(aet: str) -> str:
    """Where the page of a peer is: an AE title may hold a slash, which no path keeps."""
    return f"{at(PEERS, 'known')}?{urlencode({'aet': aet})}"


def _form(session: Session, filled: Filled, *, is_known: bool = False, error: str = "") -> Response:
    return page(
        "admin/peer.html",
        400 if error else 200,
        username=session.account.username,
        csrf=session.csrf,
        stale=not is_fresh(session),
        filled=filled,
        is_known=is_known,
        services=SERVICES,
        at=at(PEERS, "known") if is_known else at(PEERS),
        error=error,
    )
