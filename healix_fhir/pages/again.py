"""Refusals of a login after which its form is shown again."""

from __future__ import annotations

from starlette.responses import Response

from healix_fhir.kernel.errors import Category, HealixError

STATUS = {Category.UNAUTHENTICATED: 401, Category.FORBIDDEN: 403, Category.BUSY: 429}
"""Those, and how each is answered."""


def told(answer: Response, error: HealixError | None) -> Response:
    """`answer` with the headers that tell of the refusal, where there was one."""
    if error is not None:
        answer.headers.update(error.waiting)
        if error.category is Category.UNAUTHENTICATED:
            answer.headers["WWW-Authenticate"] = 'Form realm="Healix"'  # RFC 9110 15.5.2 wants one; browsers ignore it
    return answer
