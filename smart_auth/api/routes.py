"""The addresses of the OAuth server."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from smart_auth.api.edge import TOKEN, Provider, answering
from smart_auth.api.token import token


def routes(provider: Provider) -> list[BaseRoute]:
    """Everything that apps call without a browser."""
    return [
        Route(TOKEN, answering(provider, token, "token"), methods=["POST"]),
    ]
