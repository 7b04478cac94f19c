"""Text messages through a hook: `POST {"to": …, "text": …}` as JSON to the address that the operator has set.

The address goes through the guard against internal ones, as those of Subscriptions do.
"""

from __future__ import annotations

import http.client

import msgspec

from healix_fhir.kernel.endpoint import check_endpoint, resolve
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.pinned import pinned


def send(url: str, to: str, text: str, *, allow_private: bool) -> None:
    """Hand one message over. Raises Invalid for an address that may not be called, Unavailable to be tried again."""
    endpoint = check_endpoint(url, allow_private=allow_private)
    body = msgspec.json.encode({"to": to, "text": text})
    headers = {"User-Agent": "Healix", "Connection": "close", "Content-Type": "application/json"}
    query = f"?{endpoint.query}" if endpoint.query else ""
    try:
        address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
        with pinned(endpoint, address) as connection:
            connection.request("POST", (endpoint.path or "/") + query, body=body, headers=headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise HealixError(Category.UNAVAILABLE, "the SMS hook cannot be reached", detail=repr(error)) from error
    if not 200 <= status < 300:
        raise HealixError(Category.UNAVAILABLE, f"the SMS hook answered with the status {status}")
