"""What the pages of one web process share, and who is at the other end of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.requests import Request

from dicomweb.archive.blobs import Archive
from healix_fhir.care.tongues import tongues
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.language.spoken import ENGLISH, speak
from healix_fhir.kernel.settings import SHORTEST_PASSWORD, Settings
from smart_auth.access import AccessContext
from smart_auth.account.home import Home
from smart_auth.denials import Denials
from smart_auth.oauth.factors.held import NOBODY
from smart_auth.oauth.factors.party import RelyingParty
from smart_auth.oauth.factors.pending import Waiting, find_waiting
from smart_auth.oauth.factors.second_step import Door
from smart_auth.oauth.passwords import Verifier
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.sessions import Seen, Session, find_session
from smart_auth.oauth.throttle import Throttle
from smart_auth.person import find_person
from smart_auth.scope import parse

UTC = ZoneInfo("UTC")
AGENT = 400
"""Characters of a User-Agent that are kept."""

CLIENT = "healix-portal"
"""Under this name the pages stand in the audit trail."""

SCOPE = "user/Patient.rs user/ImagingStudy.rs user/Encounter.rs"


@dataclass(frozen=True)
class Site:
    """`root` is the server's URL without a slash at the end. `has_viewer` tells whether a viewer is installed.

    `password_length` is the least of a new password. `two_factors_of` are the roles that do not sign in
    with a password alone; `tenant` names this organization to apps. Times are told by the clock of `zone`, and in
    `language` where neither a person nor their browser wants another.
    `settings` are those that the server runs by, for administrators to look at; pictures are read from the `archive`.
    """

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    interactions: Interactions
    denials: Denials
    throttle: Throttle
    root: str
    has_viewer: Callable[[], bool]
    seal: Seal
    two_factors_of: frozenset[str] = NOBODY
    password_length: int = SHORTEST_PASSWORD
    tenant: str = ""
    verifier: Verifier = field(default_factory=Verifier)
    zone: ZoneInfo = UTC
    language: str = ENGLISH
    settings: Settings = field(default_factory=Settings)
    archive: Archive | None = None

    @property
    def secure(self) -> bool:
        """Whether the server is reached over TLS."""
        return self.root.startswith("https:")

    @property
    def fhir_base(self) -> str:
        """The FHIR base URL, which apps name as the audience of what they ask for."""
        return f"{self.root}/fhir"

    @property
    def session_cookie(self) -> str:
        """Its name; with the prefix, browsers take it from this host over TLS only."""
        return "__Host-healix" if self.secure else "healix"

    @property
    def login_cookie(self) -> str:
        """The name of the cookie that ties a login form to its browser."""
        return "__Host-healix-login" if self.secure else "healix-login"

    @property
    def pending_cookie(self) -> str:
        """The name of the cookie of a login that waits for its second step."""
        return "__Host-healix-pending" if self.secure else "healix-pending"

    @property
    def language_cookie(self) -> str:
        """The name of the cookie of the language that a browser's person has chosen."""
        return "__Host-healix-language" if self.secure else "healix-language"

    @property
    def home(self) -> Home:
        """Where mails about accounts come from."""
        return Home(self.root, self.language, tongues)

    @property
    def party(self) -> RelyingParty:
        """The server as passkeys know it."""
        return RelyingParty(self.root)

    @property
    def door(self) -> Door:
        """What guards logins here."""
        return Door(self.pool, self.throttle, self.denials)

    async def waiting(self, request: Request) -> Waiting | None:
        """The login of a browser that waits for its second step."""
        secret = request.cookies.get(self.pending_cookie)
        return await atransaction(self.pool, lambda: find_waiting(secret)) if secret else None

    async def session(self, request: Request) -> Session | None:
        """The session of a signed-in browser, whose person is spoken to in their language from here on."""
        secret = request.cookies.get(self.session_cookie)
        seen = Seen(request.client.host if request.client else None, request.headers.get("user-agent", "")[:AGENT])
        session = await atransaction(self.pool, lambda: find_session(secret, seen)) if secret else None
        if session is not None:
            speak(session.language)
        return session

    async def access(self, request: Request, session: Session) -> AccessContext:
        """What the pages may read for an account: the same predicate as for a token; nothing for an administrator."""
        return await atransaction(self.pool, lambda: _access(session, origin(request, session)))


def origin(request: Request, session: Session | None = None) -> Origin:
    """Who asks from where, for the audit trail."""
    address = request.client.host if request.client else None
    username = session.account.username if session else None
    return Origin(CLIENT, username, address, request.scope.get("healix.request"))


def _access(session: Session, asked: Origin) -> Work[AccessContext]:
    account = session.account
    if account.practitioner is not None:
        return AccessContext(parse(SCOPE), asked, practitioner=account.practitioner)
    if account.role == "patient":
        person = yield from find_person(account.username)
        return AccessContext(parse(SCOPE), asked, account.patient, person.own, person=person)
    return AccessContext(frozenset(), asked)
