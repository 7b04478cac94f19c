"""Forms that browsers send: read within limits, and only those that this site's own pages made.

A NUL, which PostgreSQL's texts cannot hold, is in none of them, nor in an address.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from healix_fhir.kernel.errors import HealixError, forbidden, invalid, too_large
from smart_auth.oauth.sessions import csrf_matches

LARGEST = 16 * 1024
FIELDS = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; of those that stand twice, the first. Raises Invalid, TooLarge."""
    return dict(reversed(await read_fields(request)))


async def read_fields(request: Request, most: int = FIELDS, largest: int = LARGEST) -> list[tuple[str, str]]:
    """The fields of a form, `most` of them in `largest` bytes, as they were sent. Raises Invalid, TooLarge."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise invalid("a form is sent as application/x-www-form-urlencoded")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise too_large(f"a form has at most {largest} bytes")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=most)
    except ValueError as error:
        raise invalid("the form is malformed") from error
    if any("\0" in name or "\0" in value for name, value in fields):
        raise invalid("the form holds a character that no text holds")
    return fields


def check_address(request: Request) -> None:
    """Refuse (Invalid) an address that names nothing, and asks for nothing, that there can be."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise invalid("the address holds a character that no text holds")


def check_csrf(request: Request, cookie: str, fields: dict[str, str]) -> None:
    """Refuse (Forbidden) a form that does not come from a page that was made for this browser."""
    check_own(request)
    secret = request.cookies.get(cookie)
    if secret is None or not csrf_matches(secret, fields.get("csrf", "")):
        raise out_of_date()


def check_own(request: Request) -> None:
    """Refuse (Forbidden) a form that the browser says comes from another site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise out_of_date()


def out_of_date() -> HealixError:
    """What the sender of such a form is told."""
    return forbidden("This form was out of date. Please try again.")
