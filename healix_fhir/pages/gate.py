"""The gate before a room of pages: who comes in, and that a form was made by these pages.

A room says who may come (`enter`), and with what; the rest is the same for all of them. Without a session there is only
the way to the sign-in; a form that does not come from this site's pages does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.pages.authorize.flow import LOGIN
from healix_fhir.pages.form import LARGEST, check_csrf, read_fields
from healix_fhir.pages.site import Site

C = TypeVar("C")
Handler = Callable[[Site, Request], Awaitable[Response]]
Fields = Mapping[str, list[str]]
"""What a form holds, each name with its values in order."""
Show = Callable[[Site, Request, C], Awaitable[Response]]
Act = Callable[[Site, Request, C, Fields], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Gate(Generic[C]):
    """What `enter` lets in: a caller; None is nobody who is signed in, and others it refuses with Forbidden. Forms have
    at most `largest` bytes.
    """

    enter: Callable[[Site, Request], Awaitable[C | None]]
    largest: int = LARGEST

    def showing(self, show: Show[C]) -> Handler:
        """A page."""

        async def handler(site: Site, request: Request) -> Response:
            caller = await self.enter(site, request)
            return RedirectResponse(LOGIN, 303) if caller is None else await show(site, request, caller)

        return handler

    def acting(self, act: Act[C], first: Callable[[C, Fields], str | None] | None = None) -> Handler:
        """A form. Where `first` names an address, the caller has to go there before what the form asks for is done."""

        async def handler(site: Site, request: Request) -> Response:
            fields: dict[str, list[str]] = {}
            for name, value in await read_fields(request, largest=self.largest):
                fields.setdefault(name, []).append(value)
            caller = await self.enter(site, request)
            if caller is None:
                return RedirectResponse(LOGIN, 303)
            check_csrf(request, site.session_cookie, {"csrf": one(fields, "csrf")})
            elsewhere = first(caller, fields) if first is not None else None
            return RedirectResponse(elsewhere, 303) if elsewhere else await act(site, request, caller, fields)

        return handler


def one(fields: Fields, name: str) -> str:
    """The first value of a field, without what is around it; empty when it was not sent."""
    return fields.get(name, [""])[0].strip()
