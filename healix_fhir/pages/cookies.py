"""The cookies of the pages: for this host only, out of reach of scripts, over TLS only where the server has it."""

from __future__ import annotations

from starlette.responses import Response

from healix_fhir.pages.site import Site


def keep(site: Site, answer: Response, name: str, value: str, seconds: int) -> None:
    """Give the browser a cookie."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=site.secure, httponly=True, samesite="lax")


def drop(site: Site, answer: Response, name: str) -> None:
    """Take it back."""
    answer.delete_cookie(name, secure=site.secure, httponly=True, samesite="lax")
