"""Query parameters that an address does not know: ignored, and told of in a warning.

A supported parameter with an invalid value is another matter, and refused.

Spec: PS3.18 8.3 (2024d): the origin server shall ignore any unsupported Query Parameters
"""

from __future__ import annotations

from collections.abc import Callable, Container

from starlette.requests import Request
from starlette.responses import Response

ALWAYS = frozenset({"accept", "charset"})
"""What every address knows. Spec: PS3.18 8.3.3 (2024d)"""
SHOWN = 10
LONGEST = 32
_STATE = "healix.unsupported"


def supported(request: Request, known: Container[str] | Callable[[str], bool]) -> list[tuple[str, str]]:
    """The query parameters without those of every address and those that are not `known`."""
    knows = known if callable(known) else known.__contains__
    given = [one for one in request.query_params.multi_items() if one[0] not in ALWAYS]
    unknown = [name for name, _ in given if not knows(name)]
    if unknown:
        request.scope[_STATE] = unknown
    return [one for one in given if knows(one[0])]


def is_ignored(request: Request) -> bool:
    """Whether something in the request was ignored."""
    return _STATE in request.scope


def told(request: Request, response: Response, base: str) -> Response:
    """The answer, with a warning where something was ignored."""
    names = dict.fromkeys(_printable(name) for name in request.scope.get(_STATE, ())[:SHOWN])
    if names:
        text = f"299 {base}: These parameters are not supported and were ignored: {', '.join(names)}"
        response.headers.append("Warning", text)
    return response


def further(base: str, remaining: int, counted: int) -> str:
    """The warning that there are more matches, of which no more than `counted` and one were counted.

    Spec: PS3.18 8.3.4.4.1 (2024d)
    """
    number = f"more than {counted}" if remaining > counted else str(remaining)
    return f"299 {base}: There are {number} additional results that can be requested"


def _printable(name: str) -> str:
    """A name as a header may have it."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "?" for one in name[:LONGEST])
