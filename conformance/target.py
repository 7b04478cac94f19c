"""The server under test, seen from outside: plain HTTP with the standard library."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 30


@dataclass(frozen=True)
class Asked:
    """A request as it goes out."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """A response; `headers` by lower-case name. `cookies` are the values of each Set-Cookie."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: where a server sends its callers is part of what is checked."""

    def redirect_request(self, *_: Any) -> None:
        """Go nowhere."""


_OPENER = urllib.request.build_opener(_Stay)


def over_http(asked: Asked) -> Answer:
    """Send a request; an error status is an answer like any other."""
    request = urllib.request.Request(asked.url, data=asked.body, headers=dict(asked.headers), method=asked.method)  # noqa: S310
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as response:
            return _answer(response.status, response)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error)


@dataclass(frozen=True)
class Target:
    """A server at `base` (its root) and a token with system scopes. `send` is how requests get there."""

    base: str
    token: str | None
    send: Callable[[Asked], Answer] = over_http

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: bool = True,
    ) -> Answer:
        """One request to a path below the root, or to a whole address."""
        given = dict(headers or {})
        if token and self.token is not None:
            given["Authorization"] = f"Bearer {self.token}"
        return self.send(Asked(method, path if "://" in path else self.base + path, given, body))


def _answer(status: int, response: Any) -> Answer:
    cookies = tuple(response.headers.get_all("Set-Cookie") or ())
    return Answer(status, {name.lower(): value for name, value in response.headers.items()}, response.read(), cookies)
