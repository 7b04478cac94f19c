"""Templates to HTML answers, with the headers that keep a page to itself: no script unless asked for, no framing,
no caching.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
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
}


def page(
    template: str, status: int = 200, *, form_action: Sequence[str] = (), scripts: bool = False, **values: Any
) -> HTMLResponse:
    """The answer that `template` makes of `values`; everything in them is escaped.

    `form_action` are origins or schemes that the answer to one of its forms may redirect to, beside this server.
    `scripts` lets this server's own script files run: there is no other way to ask for a passkey.
    """
    text = _environment().get_template(template).render(asset=_address, **values)
    policy = POLICY.format("".join(f" {one}" for one in form_action), "; script-src 'self'" if scripts else "")
    return HTMLResponse(text, status, headers={"Content-Security-Policy": policy, **HEADERS})


@cache
def asset(name: str) -> bytes:
    """A file that pages refer to."""
    return (HERE / "assets" / name).read_bytes()


@cache
def _address(name: str) -> str:
    """Where an asset is; another content has another address, so that browsers may keep it."""
    return f"{ASSETS}/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
