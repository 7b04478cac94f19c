"""The JSON reader against the standard library's, on generated texts full of near misses."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import decode, encode

# few letters, so that keys collide; colons, quotes, escapes and brackets, so that counting in raw bytes is misled
STRINGS = st.lists(
    st.sampled_from(
        ["a", "b", ":", "\\u003a", "\\u003A", '\\"', "\\\\", "\\\\u003a", "{", "]", "é", "\\u0061", "\\u0000"]
    ),
    max_size=3,
).map(lambda parts: '"' + "".join(parts) + '"')
SPACES = st.sampled_from(["", "", " ", "\n", "\t"])
NUMBERS = st.sampled_from(["0", "-1", "1.50", "1e5", "1E-10", "0.0000000", "12345678.12345678", "-0.0"])


def _object(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(STRINGS, SPACES, SPACES, values).map(lambda m: f"{m[0]}{m[1]}:{m[2]}{m[3]}")
    return st.tuples(SPACES, st.lists(member, max_size=4)).map(lambda o: "{" + o[0] + ",".join(o[1]) + "}")


def _container(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _object(values) | st.lists(values, max_size=3).map(lambda items: f"[{','.join(items)}]")


VALUES = st.recursive(STRINGS | NUMBERS | st.sampled_from(["true", "null"]), _container, max_leaves=12)
OBJECTS = _object(VALUES)


class _RefusedError(Exception):
    """What the oracle refuses."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs) or "\0" in _text(pairs):
        raise _RefusedError
    return dict(pairs)


def _text(value: Any) -> str:
    """Every string in `value`, joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _text(list(value.items()))
    return "".join(map(_text, value)) if isinstance(value, list | tuple) else ""


@given(OBJECTS)
def test_decode_accepts_exactly_what_has_unique_keys(text: str) -> None:
    """No duplicate key and no NUL passes, and nothing else is refused."""
    try:
        expected = json.loads(text, object_pairs_hook=_pairs, parse_float=Decimal)
    except _RefusedError:
        expected = None
    try:
        result: Any = decode(text.encode())
    except HealixError:
        result = None
    assert result == expected


@given(OBJECTS)
def test_encode_keeps_every_digit(text: str) -> None:
    """What is read and written again has the same keys, strings and number texts."""
    try:
        written = encode(decode(text.encode()))
    except HealixError:
        return
    literal = {"parse_float": str, "parse_int": lambda digits: digits}
    assert json.loads(written, **literal) == json.loads(text, **literal)  # type: ignore[arg-type]


@given(st.integers(1, 200), st.sampled_from(["[", '{"a":']), st.text("[]{}", max_size=80))
def test_depth_is_counted_outside_strings(depth: int, opening: str, noise: str) -> None:
    """Sixty-four levels pass and sixty-five do not, whatever brackets stand in strings."""
    closing = {"[": "]", '{"a":': "}"}[opening]
    text = '{"n":"' + noise + '","v":' + opening * (depth - 1) + "1" + closing * (depth - 1) + ',"m":"' + noise + '"}'
    try:
        decode(text.encode())
        accepted = True
    except HealixError:
        accepted = False
    assert accepted == (depth <= 64)
