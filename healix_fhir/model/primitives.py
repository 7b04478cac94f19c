"""The primitive data types: which JSON values each one admits.

A test is a regular expression's `fullmatch` or a function; it raises TypeError or gives a false value for what is not
of the type. Dates that do not exist are refused, 29 February of common years among them.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from healix_fhir.model.narrative import problem

YEAR = r"(?!0000)[0-9]{4}"
LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?!0000)(?:[02468][048]|[13579][26])00)"
DAY = (
    rf"(?:{YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{LEAP}-02-29)"
)
MONTH = rf"{YEAR}(?:-(?:0[1-9]|1[0-2]))?"
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"  # with the two that are no characters: XML has neither
STRING = re.compile(rf"[^{CONTROLS}]+")
STRING_LIMIT = 1024 * 1024
KNOWN_LIMIT = 4096
KNOWN_LENGTH = 128
URI = rf"[^\s{CONTROLS}]+"


class Primitive(NamedTuple):
    """How one primitive type is checked: the JSON types it may have, its test, and what it should be, in words."""

    json: tuple[type, ...]
    valid: Callable[[Any], Any]
    expected: str


class _Known(dict[str, bool]):
    """A test that remembers the good values it has seen: systems, codes and URLs come again and again.

    A look-up costs an eighth of the match. Bounded in number and length, so that callers cannot fill the memory.
    """

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._fullmatch = re.compile(pattern).fullmatch

    def __missing__(self, text: str) -> bool:
        if self._fullmatch(text) is None:
            return False
        if len(text) <= KNOWN_LENGTH:
            if len(self) >= KNOWN_LIMIT:
                self.clear()
            self[text] = True
        return True


def _text(pattern: str, expected: str) -> Primitive:
    return Primitive((str,), re.compile(pattern).fullmatch, expected)


def _recurring(pattern: str, expected: str) -> Primitive:
    return Primitive((str,), _Known(pattern).__getitem__, expected)


def _string(value: Any) -> bool:
    if type(value) is not str or not 0 < len(value) <= STRING_LIMIT:
        return False
    return value.isprintable() or STRING.fullmatch(value) is not None


def _boolean(value: Any) -> bool:
    return value is True or value is False


def _integer(low: int) -> Primitive:
    def valid(value: Any) -> bool:
        return type(value) is int and low <= value <= 2147483647

    return Primitive((int,), valid, f"a whole number from {low} to 2147483647")


def _decimal(value: Any) -> bool:
    return type(value) is int or isinstance(value, Decimal)


def _base64(value: Any) -> bool:
    """Whitespace within is tolerated: readers SHOULD ignore it."""
    try:
        return bool(binascii.a2b_base64(value, strict_mode=True))
    except ValueError:
        pass
    try:
        return bool(binascii.a2b_base64("".join(value.split()), strict_mode=True))
    except ValueError:
        return False


def _xhtml(value: Any) -> bool:
    return problem(value) is None


PRIMITIVES: dict[str, Primitive] = {
    "base64Binary": Primitive((str,), _base64, "base64"),
    "boolean": Primitive((bool,), _boolean, "true or false"),
    "canonical": _recurring(URI, "a URL without whitespace"),
    "code": _recurring(
        rf"[^\s{CONTROLS}]+(?:\s[^\s{CONTROLS}]+)*", "a code without leading, trailing or double whitespace"
    ),
    "date": _text(rf"{DAY}|{MONTH}", "a date that exists, as YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _text(rf"{DAY}(?:T{TIME}{ZONE})?|{MONTH}", "a date that exists, with a time only when it has a zone"),
    "decimal": Primitive((int, Decimal), _decimal, "a number"),
    "id": _text(r"[A-Za-z0-9\-.]{1,64}", "1 to 64 letters, digits, '-' and '.'"),
    "instant": _text(rf"{DAY}T{TIME}{ZONE}", "a date that exists, with time and zone"),
    "integer": _integer(-2147483648),
    "markdown": Primitive((str,), _string, "text without control characters, of at most 1 MB"),
    "oid": _text(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "an OID as urn:oid:..."),
    "positiveInt": _integer(1),
    "string": Primitive((str,), _string, "text without control characters, of at most 1 MB"),
    "time": _text(TIME, "a time as hh:mm:ss"),
    "unsignedInt": _integer(0),
    "uri": _recurring(URI, "a URI without whitespace"),
    "url": _recurring(URI, "a URL without whitespace"),
    "uuid": _text(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "a UUID as urn:uuid:..., in lower case",
    ),
    "xhtml": Primitive((str,), _xhtml, "XHTML"),
}

JSON_NAMES: dict[type, str] = {str: "a string", bool: "a boolean", int: "a number", Decimal: "a number"}


def fault(type_name: str, value: Any) -> tuple[str, str] | None:
    """Why `value` is no `type_name`, as issue code and message; None when it is one."""
    primitive = PRIMITIVES[type_name]
    if not (type(value) in primitive.json or (isinstance(value, Decimal) and Decimal in primitive.json)):
        wanted = JSON_NAMES[primitive.json[0]]
        if type(value) in {int, Decimal} and primitive.json == (int,):
            return "value", f"must be {primitive.expected}"
        return "structure", f"must be {wanted} ({type_name})"
    if primitive.valid(value):
        return None
    if value == "":
        return "value", "must not be empty"
    if type_name == "xhtml":
        return "value", problem(value) or ""
    return "value", f"must be {primitive.expected}: '{str(value)[:60]}' is not ({type_name})"
