"""The languages that people are spoken to in, and the one of the request at hand.

Spec: BCP 47; RFC 9110 12.5.4
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {ENGLISH: "English", "de": "Deutsch", "es": "Español", "fr": "Français", "hi": "हिन्दी"}
)
"""The languages by their codes, each called as its speakers do."""
RANGES = 20
"""Language ranges of a header that are looked at."""

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """The language of the request at hand; English where nobody has said."""
    return _spoken.get()


def speak(code: str | None) -> None:
    """Go on in a language, until the end of `speaking`; in that from before where it is none of ours."""
    if code in LANGUAGES:
        _spoken.set(str(code))


@contextmanager
def speaking(code: str | None) -> Iterator[None]:
    """A language for a while; where it is none of ours, that from before."""
    token = _spoken.set(code if code is not None and code in LANGUAGES else language())
    try:
        yield
    finally:
        _spoken.reset(token)


def accepted(header: str, default: str) -> str:
    """The language that an `Accept-Language` likes best, else `default`.

    Ranges are matched by lookup: `de-AT` is content with `de`. Of equal weights the first wins; a range that is
    malformed says nothing. Spec: RFC 9110 12.4.2, 12.5.4; RFC 4647 3.4
    """
    liked: dict[str, float] = {}
    for item in header.split(",")[:RANGES]:
        range_, *parameters = (part.strip().lower() for part in item.split(";"))
        code, weight = range_.partition("-")[0], _weight(parameters)
        if weight is not None:
            liked.setdefault(default if code == "*" else code, weight)
    found = [code for code in liked if code in LANGUAGES and liked[code] > 0]
    return max(found, key=lambda code: liked[code], default=default)


def _weight(parameters: list[str]) -> float | None:
    """The `q` of a range, 1 where it has none; None for one that is malformed."""
    if not parameters:
        return 1.0
    name, _, text = parameters[0].partition("=")
    whole, _, rest = text.partition(".")
    if name.strip() != "q" or whole not in ("0", "1") or not ((rest.isdecimal() and rest.isascii()) or not rest):
        return None
    weight = float(text)
    return weight if weight <= 1 else None
