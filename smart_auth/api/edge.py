"""What the OAuth endpoints of one web process share: reading forms, finding out who calls, and answering.

Spec: RFC 6749 3.2, 5.1, 5.2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError, too_large
from healix_fhir.kernel.refusal import as_refusal
from smart_auth.api.bearer import TokenGate
from smart_auth.discovery import TOKEN
from smart_auth.oauth.client_auth import Credentials, authenticate, presented
from smart_auth.oauth.clients import Client
from smart_auth.oauth.identity import Identity
from smart_auth.oauth.limits import CLIENT_GUESS
from smart_auth.oauth.refusal import OAuthError, Reason, answer
from smart_auth.oauth.remote_keys import RemoteKeys

LARGEST = 64 * 1024
FIELDS = 50
LONGEST_NAME = 64
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
GUESSES = (Reason.INVALID_CLIENT, Reason.INVALID_GRANT, Reason.INVALID_TOKEN)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Provider:
    """The OAuth server of one process. `open_registration`: apps may register themselves without a token."""

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    gate: TokenGate
    identity: Identity
    remote: RemoteKeys
    open_registration: bool = False

    @property
    def audiences(self) -> tuple[str, str]:
        """What a client assertion may be for: the issuer or the token endpoint."""
        return self.identity.issuer, self.identity.issuer + TOKEN


Handler = Callable[[Provider, Request], Awaitable[Response]]


def answering(provider: Provider, handler: Handler, what: str) -> Callable[[Request], Awaitable[Response]]:
    """`handler` with refusals as OAuth errors; what is refused to a caller is audited as `what`."""

    async def respond(request: Request) -> Response:
        try:
            return await handler(provider, request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - every failure is answered; as_refusal logs it
            refusal = as_refusal(error, request.scope.get("healix.request", ""))
            if refusal.category is not Category.FAULT:
                await _record(provider, request, refusal, what)
            return _refusal(await _guessed(provider, request, refusal))

    return respond


async def _record(provider: Provider, request: Request, refusal: HealixError, what: str) -> None:
    """Audit a refusal: by the client that has proven itself, about one that a request only names."""
    named = getattr(request.state, "named", "").replace("\0", "")[:LONGEST_NAME]
    asked: Origin = getattr(request.state, "asked", None) or origin(request)
    entity = f"client/{named}" if named and asked.client is None else None
    reason = refusal.reason.value if isinstance(refusal, OAuthError) else refusal.category.value
    await provider.gate.denials.refused(asked, what, entity=entity, query=str(reason))


def named_client(request: Request, form: Mapping[str, str]) -> Credentials | None:
    """What a request says of its client, if it does; noted, in case that it is refused. Raises OAuthError."""
    request.state.named = form.get("client_id", "")
    found = presented(request.headers.get("authorization"), form)
    if found is not None:
        request.state.named = found.client_id
    return found


async def calling_client(provider: Provider, request: Request, named: Credentials) -> Client:
    """The client that calls, noted too. Raises OAuthError (invalid_client)."""
    request.state.named = named.client_id
    client = await authenticate(provider.pool, provider.remote, named, provider.audiences)
    request.state.asked = origin(request, client.id)
    return client


async def _guessed(provider: Provider, request: Request, refusal: HealixError) -> HealixError:
    """The refusal of wrong credentials, codes and tokens, or Busy instead, where too many came from the address."""
    if isinstance(refusal, OAuthError) and refusal.reason in GUESSES:
        try:
            await provider.gate.throttle.hit(CLIENT_GUESS, address=origin(request).address)
        except HealixError as busy:
            return busy
    return refusal


def _refusal(refusal: HealixError) -> Response:
    status, body = answer(refusal)
    headers = NO_STORE | refusal.waiting
    if status == 401:
        bearer = isinstance(refusal, OAuthError) and refusal.reason is Reason.INVALID_TOKEN
        headers["WWW-Authenticate"] = f'{"Bearer" if bearer else "Basic"} realm="Healix"'
    return JSONResponse(body, status, headers)


def origin(request: Request, client: str | None = None) -> Origin:
    """Who asks from where, for the audit trail."""
    address = request.client.host if request.client else None
    return Origin(client, None, address, request.scope.get("healix.request"))


async def read_form(request: Request) -> dict[str, str]:
    """The parameters of a request's form; empty ones count as left out. Raises OAuthError, TooLarge.

    Spec: RFC 6749 3.2 (parameters must not be repeated)
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError(Reason.INVALID_REQUEST, f"parameters are sent as {FORM}")
    body = await read_body(request)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError as error:
        raise OAuthError(Reason.INVALID_REQUEST, "the form is malformed") from error
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise OAuthError(Reason.INVALID_REQUEST, f"'{twice[0][:64]}' stands more than once")
    return {name: value for name, value in pairs if value}


async def read_body(request: Request) -> bytes:
    """A request's body within the limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise too_large(f"a request has at most {LARGEST} bytes")
    return body
