"""Templates to HTML answers, with the headers that keep a page to itself: no script unless asked for, no framing,
no caching.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from healix_fhir.kernel.language import dates
from healix_fhir.kernel.language.catalogue import catalogue, counted, heard, say
from healix_fhir.kernel.language.spoken import ENGLISH, LANGUAGES, language
from healix_fhir.pages.wording import rewritten, said_by

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
ASSETS = "/account/assets"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none';"
    " form-action 'self'{}{}"
)
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}

came_to: ContextVar[str] = ContextVar("came_to", default="")
"""The address of the request, where it can be asked for again: thither leads the choice of another language."""


def page(
    template: str, status: int = 200, *, form_action: Sequence[str] = (), scripts: bool = False, **values: Any
) -> HTMLResponse:
    """The answer that `template` makes of `values`, in the language of the request; everything in them is escaped.

    `form_action` are origins or schemes that the answer to one of its forms may redirect to, beside this server.
    `scripts` lets this server's own script files run: there is no other way to ask for a passkey.
    """
    spoken = language()
    text = (
        _environment(spoken)
        .get_template(template)
        .render(language=spoken, came_to=came_to.get() if status < 400 else "", **values)
    )
    policy = POLICY.format("".join(f" {one}" for one in form_action), "; script-src 'self'" if scripts else "")
    return HTMLResponse(
        text, status, headers={"Content-Security-Policy": policy, "Content-Language": spoken, **HEADERS}
    )


@cache
def asset(name: str) -> bytes:
    """A file that pages refer to."""
    return (HERE / "assets" / name).read_bytes()


@cache
def _address(name: str) -> str:
    """Where an asset is; another content has another address, so that browsers may keep it."""
    return f"{ASSETS}/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


@cache
def _environment(code: str) -> Environment:
    """The templates of a language; they are read and compiled as they are shown."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(
        loader=_loader(code), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals.update(asset=_address, say=say, counted=counted, heard=heard, languages=LANGUAGES)
    made.filters.update(day=dates.day, moment=dates.moment, figure=dates.figure)
    return made


def _loader(code: str) -> BaseLoader:
    from jinja2 import FileSystemLoader, FunctionLoader

    if code == ENGLISH:
        return FileSystemLoader(TEMPLATES)
    words = said_by(catalogue(code))
    return FunctionLoader(lambda name: rewritten((TEMPLATES / name).read_text(encoding="utf-8"), words))
