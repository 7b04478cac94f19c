"""The addresses of the pages of appointments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.pages.appointment import choosing, day, feed, hours, mine
from healix_fhir.pages.site import Site

Handler = Callable[[Site, Request], Awaitable[Response]]

SHOWN: Mapping[str, Handler] = MappingProxyType(
    {
        mine.ADDRESS: mine.show,
        choosing.FIND: choosing.show,
        day.ADDRESS: day.show,
        hours.ADDRESS: hours.show,
        feed.FEED: feed.show,
    }
)
SENT: Mapping[str, Handler] = MappingProxyType(
    {
        choosing.FIND: choosing.submit,
        f"{mine.ADDRESS}/accept": mine.accept,
        f"{mine.ADDRESS}/cancel": mine.cancel,
        f"{mine.ADDRESS}/wait": mine.wait,
        f"{mine.ADDRESS}/link": mine.make_link,
        f"{mine.ADDRESS}/unlink": mine.end_link,
        day.ADDRESS: day.submit,
        hours.ADDRESS: hours.submit,
    }
)
