"""Query parameters that an address does not know: ignored, and told of in a warning.

A supported parameter with an invalid value is another matter, and refused. An attribute that this server has never
heard of, as a later edition has some, is not supported in includefield either.

Spec: PS3.18 8.3 (2024d): the origin server shall ignore any unsupported Query Parameters
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response

ALWAYS = frozenset({"accept", "charset"})
"""What every address knows. Spec: PS3.18 8.3.3 (2024d)"""
INCLUDEFIELD, ALL = "includefield", "all"
NAME = re.compile(r"(?:[0-9A-Fa-f]{8}\.)*[A-Z][A-Z0-9]*[a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
"""How an attribute is named by its keyword, also in sequences; read in one way only, however long it is."""
SHOWN = 10
LONGEST = 32
_STATE = "healix.unsupported"


def supported(
    request: Request, known: Container[str] | Callable[[str], bool], *, spelled: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """The query parameters without those of every address and those that are not `known`.

    Those of `spelled` are taken in capitals too: what the grammar of the standard writes in quotation marks is not
    case-sensitive, and there are clients that write `fuzzyMatching`. Of includefield, if it is one of them, only
    attributes that are known are left. Spec: RFC 5234 2.3, RFC 7405; PS3.18 5.1 (2024d)
    """
    knows = known if callable(known) else known.__contains__
    spelling = {name.lower(): name for name in spelled}
    found, unknown = [], []
    for written, value in request.query_params.multi_items():
        if written in ALWAYS:
            continue
        name = spelling.get(written.lower(), written)
        if not knows(name):
            unknown.append(name)
        elif name == INCLUDEFIELD and name in spelling:
            fields = [field.strip() for field in value.split(",")]
            strange = dict.fromkeys(field for field in fields if NAME.fullmatch(field) and not knows(field))
            unknown += strange
            kept = [ALL if field.lower() == ALL else field for field in fields if field not in strange]
            found.append((name, ",".join(kept)))
        else:
            found.append((name, value))
    ignored(request, unknown)
    return found


def ignored(request: Request, names: Sequence[str]) -> None:
    """Note that these were ignored."""
    if names:
        request.scope[_STATE] = [*request.scope.get(_STATE, ()), *names]


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
