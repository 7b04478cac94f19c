"""Flaws planted between a black-box check and the server: requests and answers that are changed on the way.

A changed request is a server that does not look; a changed answer is one that tells or keeps something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from conformance.target import Answer, Asked

Send = Callable[[Asked], Answer]
Flaw = Callable[[Send], Send]
Change = Callable[[Answer], Answer]


def answered(where: str, *changes: Change) -> Flaw:
    """Answers to requests that match `where` (method, address and body) are changed."""

    def plant(send: Send) -> Send:
        def flawed(asked: Asked) -> Answer:
            answer = send(asked)
            for change in changes if _matches(where, asked) else ():
                answer = change(answer)
            return answer

        return flawed

    return plant


def asked(where: str, change: Callable[[Asked], Asked]) -> Flaw:
    """Requests that match `where` get there otherwise."""
    return lambda send: lambda asked: send(change(asked) if _matches(where, asked) else asked)


def _matches(where: str, asked: Asked) -> bool:
    return re.search(where, f"{asked.method} {asked.url} {(asked.body or b'').decode('utf-8', 'replace')}") is not None


def status(value: int) -> Change:
    """Another status."""
    return lambda answer: replace(answer, status=value)


def body(change: Callable[[Any], Any]) -> Change:
    """A body of JSON that is changed; others stay."""

    def changed(answer: Answer) -> Answer:
        found = answer.json()
        return replace(answer, body=json.dumps(change(found)).encode()) if isinstance(found, dict) else answer

    return changed


def member(name: str, value: Any) -> Change:
    """A member of the body with another value."""
    return body(lambda found: found | {name: value})


def without(name: str) -> Change:
    """A body without a member."""
    return body(lambda found: {other: value for other, value in found.items() if other != name})


def said(name: str, value: str) -> Change:
    """Another header."""
    return lambda answer: replace(answer, headers={**answer.headers, name: value})


def rewritten(old: str, new: str) -> Change:
    """A page with other words."""
    return lambda answer: replace(answer, body=answer.body.replace(old.encode(), new.encode()))


def drops(cookie: str) -> Change:
    """An answer that takes a cookie away."""
    return lambda answer: replace(answer, cookies=(*answer.cookies, f"{cookie}=; Max-Age=0"))


def sent_to(**params: str | None) -> Change:
    """A redirect with other parameters."""

    def changed(answer: Answer) -> Answer:
        where = answer.headers.get("location", "")
        return said("location", _with(where, params))(answer) if "app.example" in where else answer

    return changed


def fields(**params: str | Callable[[Asked], str] | None) -> Callable[[Asked], Asked]:
    """Other parameters in the form or, where there is none, in the address."""

    def changed(asked: Asked) -> Asked:
        given = {name: value(asked) if callable(value) else value for name, value in params.items()}
        if asked.body is None:
            return replace(asked, url=_with(asked.url, given))
        return replace(asked, body=_changed(asked.body.decode(), given).encode())

    return changed


def one_more(name: str, value: str) -> Callable[[Asked], Asked]:
    """One more field in the form."""
    return lambda asked: replace(asked, body=(asked.body or b"") + b"&" + urlencode({name: value}).encode())


def _with(url: str, params: dict[str, str | None]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=_changed(parts.query, params)))


def _changed(query: str, params: dict[str, str | None]) -> str:
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in params]
    return urlencode([*kept, *((name, value) for name, value in params.items() if value is not None)])
