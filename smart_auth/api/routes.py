"""The addresses of the OAuth server."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from smart_auth.api.edge import Provider, answering
from smart_auth.api.introspection import introspection
from smart_auth.api.registration import registration
from smart_auth.api.revocation import revocation
from smart_auth.api.token import token
from smart_auth.api.userinfo import userinfo
from smart_auth.discovery import INTROSPECT, REGISTER, REVOKE, TOKEN, USERINFO

HANDLERS = {
    TOKEN: (token, "token"),
    INTROSPECT: (introspection, "introspect"),
    REVOKE: (revocation, "revoke"),
    REGISTER: (registration, "register"),
}
"""What answers at each path, and the name under which its refusals are audited."""


def routes(provider: Provider) -> list[BaseRoute]:
    """Everything that apps call without a browser."""
    return [
        *(Route(path, answering(provider, *handler), methods=["POST"]) for path, handler in HANDLERS.items()),
        Route(USERINFO, answering(provider, userinfo, "userinfo"), methods=["GET", "POST"]),
    ]
