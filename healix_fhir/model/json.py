"""FHIR JSON to Python objects and back, exactly.

Decimals keep their digits (1.50 stays 1.50), object keys their order. What JSON parsers differ about is refused,
because what one reader checks another would understand otherwise: duplicate keys, NaN, lone surrogates, invalid UTF-8,
NUL.

Spec: FHIR R4, hl7.org/fhir/R4/json.html; RFC 8259
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from healix_fhir.kernel.errors import invalid

DEPTH = 64
EXPONENT = 999  # beyond any measurement; larger ones would make giants of a few bytes
TINY = ("0.000000", "-0.000000")  # how numbers begin that Decimal may write with an exponent


class Lexical(Decimal):
    """A Decimal that is written as it was read, for the forms that `str(Decimal)` would change."""

    text: str


def decode(body: bytes) -> dict[str, Any]:
    """The object that `body` holds: numbers are int, or Decimal where they are written with a point or exponent.

    Raises Invalid for malformed JSON, for what the module refuses, for more than 64 levels of nesting and for
    anything but an object.
    """
    value = _decode(body)
    if type(value) is not dict:
        _refuse("the body must be a JSON object")
    return value


def decode_array(body: bytes) -> list[Any]:
    """The array that `body` holds, as `decode` gives an object."""
    value = _decode(body)
    if type(value) is not list:
        _refuse("the body must be a JSON array")
    return value


def _decode(body: bytes) -> Any:
    try:
        value = _decoder.decode(body)
    except UnicodeDecodeError:
        _refuse("the body is not valid UTF-8")
    except msgspec.DecodeError as error:
        _refuse(f"malformed JSON: {error}" if body.strip() else "the body is empty")
    except RecursionError:
        _refuse(f"the JSON is nested deeper than {DEPTH} levels")
    except InvalidOperation:
        _refuse(f"a number has more than {EXPONENT} digits or an exponent beyond {EXPONENT}")
    if body.count(b"[") + body.count(b"{") > DEPTH:
        check_depth(value)
    # What is written again as it came has lost no key. Else every colon outside strings follows a key, and those inside
    # strings survive a round trip one for one unless written as \u003a: the counts differ exactly when the decoder has
    # dropped a key.
    escaped = b"\\u00" in body and (b"\\u003" in body or b"\\u0000" in body)
    if escaped or ((written := encode(value)) != body and body.count(b":") != written.count(b":")):
        _check_members(body)
    return value


def encode(resource: Any) -> bytes:
    """`resource` as minified UTF-8, decimals with the digits they came with."""
    return _encoder.encode(resource)


def decode_stored(body: bytes) -> dict[str, Any]:
    """The object of a body that this server has written: checked when it came in, not again."""
    resource: dict[str, Any] = _decoder.decode(body)
    return resource


def number(text: str) -> int | Decimal:
    """The number that JSON writes as `text`, as `decode` gives it. Raises Invalid beyond the limits of `decode`."""
    try:
        return int(text) if text.removeprefix("-").isdecimal() and len(text) <= EXPONENT else _number(text)
    except InvalidOperation:
        _refuse(f"a number has more than {EXPONENT} digits or an exponent beyond {EXPONENT}")


def number_text(value: int | Decimal) -> str:
    """A number with the digits it came with."""
    return value.text if isinstance(value, Lexical) else str(value)


def _number(text: str) -> Decimal:
    """The hook for numbers with a point or exponent."""
    if "e" not in text and "E" not in text and not text.startswith(TINY) and len(text) <= EXPONENT:
        return Decimal(text)
    lexical = Lexical(text)
    if abs(lexical.adjusted()) > EXPONENT or len(text) > EXPONENT:
        raise InvalidOperation
    lexical.text = text
    return lexical


def _raw(value: object) -> object:
    """The hook for objects that the encoder does not know."""
    if isinstance(value, Lexical):
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def check_depth(value: Any) -> None:
    """Refuse more than DEPTH levels: walks level by level, so that its own depth is constant."""
    level = [value]
    for _ in range(DEPTH):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is not str and (type(child) is dict or type(child) is list)
        ]
        if not level:
            return
    _refuse(f"the JSON is nested deeper than {DEPTH} levels")


def _check_members(body: bytes) -> None:
    """The slow, exact check for duplicate keys and NUL."""
    json.loads(body, object_pairs_hook=_unique, parse_float=str, parse_int=str)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        _refuse(f"duplicate key '{next(key for key in keys if keys.count(key) > 1)[:100]}'")
    for key, value in pairs:
        if "\0" in key or _has_nul(value):
            _refuse(f"NUL in '{key[:100]}'")
    return members


def _has_nul(value: Any) -> bool:
    """Whether a member's value is, or is an array that holds, a string with NUL; objects have been seen before."""
    if type(value) is list:
        return any(_has_nul(item) for item in value)
    return type(value) is str and "\0" in value


def _refuse(message: str) -> NoReturn:
    raise invalid(message, code="structure")


_decoder = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_raw)
