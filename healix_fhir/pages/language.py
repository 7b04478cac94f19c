"""Which language a page is in, and the choice of another in the foot of every page.

What a person chose for the account comes first, then this browser's own choice, kept in a cookie, then what its
`Accept-Language` says, then the clinic's language.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction, one
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.language.spoken import LANGUAGES, accepted, speaking
from healix_fhir.pages.cookies import drop, keep
from healix_fhir.pages.form import check_own, read_form
from healix_fhir.pages.render import came_to
from healix_fhir.pages.site import Site
from smart_auth.account.language import choose as choose_language

ADDRESS = "/account/language"
HOME = "/account/"
YEAR = 365 * 24 * 3600
LONGEST = 4000
"""Characters of an address that is led back to."""


@contextmanager
def spoken_to(site: Site, request: Request) -> Iterator[None]:
    """Answer a request in the language of who asks."""
    chosen = request.cookies.get(site.language_cookie)
    code = chosen if chosen in LANGUAGES else accepted(request.headers.get("accept-language", ""), site.language)
    token = came_to.set(_address(request))
    try:
        with speaking(code):
            yield
    finally:
        came_to.reset(token)


async def choose(site: Site, request: Request) -> Response:
    """POST /account/language with `language`, and `back`, the page that is shown in it; an empty one is as the browser
    says. Who is signed in chooses for the account, too.

    It carries no `csrf`, since pages without a session have it, too: browsers send a session's cookie with no form of
    another site (`SameSite`), and say whence a form is (`Sec-Fetch-Site`).
    """
    fields = await read_form(request)
    check_own(request)
    if fields.get("language") not in ("", *LANGUAGES):
        raise invalid("There is no such language here.")
    code = fields["language"]
    session = await site.session(request)
    if session is not None:
        username = session.account.username
        await atransaction(site.pool, lambda: one(choose_language(username, code or None)))
    answer = RedirectResponse(_back(fields.get("back", "")), 303)
    if code:
        keep(site, answer, site.language_cookie, code, YEAR)
    else:
        drop(site, answer, site.language_cookie)
    return answer


def _address(request: Request) -> str:
    """Where the page of a request is shown again; nowhere for the answer to a form."""
    if request.method != "GET":
        return ""
    query = request.scope["query_string"].decode("latin-1")
    address = request.url.path + (f"?{query}" if query else "")
    return address if len(address) <= LONGEST else ""


def _back(address: str) -> str:
    """An address of this server; another leads home."""
    own = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if own and len(address) <= LONGEST else HOME
