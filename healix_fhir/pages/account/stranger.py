"""Forms for people who are not signed in, tied to their browser by the same cookie as the login form."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel import ids
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.pages.cookies import keep
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site
from smart_auth.oauth.sessions import LONGEST, csrf_of

STATUS = {Category.INVALID: 400, Category.UNAUTHENTICATED: 401, Category.FORBIDDEN: 403, Category.BUSY: 429}
"""Refusals after which a form is shown again."""


def form(site: Site, request: Request, template: str, *, error: HealixError | None = None, **values: Any) -> Response:
    """The page of `template` with a form of this browser's. Raises `error` when the form cannot be shown with it."""
    if error is not None and error.category not in STATUS:
        raise error
    secret = request.cookies.get(site.login_cookie) or ids.secret()
    status = STATUS[error.category] if error else 200
    answer = page(template, status, csrf=csrf_of(secret), error=error.message if error else "", **values)
    if error is not None:
        answer.headers.update(error.waiting)
    keep(site, answer, site.login_cookie, secret, LONGEST)
    return answer
