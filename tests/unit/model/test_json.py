"""The JSON reader: what it keeps and what it refuses, by name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode


@pytest.mark.spec("FHIR R4 json.html; RFC 8259")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "malformed"),
        (b'{"a":1}x', "malformed"),
        (b'{"a":NaN}', "malformed"),
        (b'{"a":Infinity}', "malformed"),
        (b'{"a":01}', "malformed"),
        (b"{'a':1}", "malformed"),
        (b'{"a":1,}', "malformed"),
        (b'{"a":"\x01"}', "malformed"),
        (b'{"a":"\\ud800bcdefgh"}', "malformed"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b"[1]", "object"),
        (b"null", "object"),
        (b'"a"', "object"),
        (b'{"a":1,"a":1}', "duplicate key 'a'"),
        (b'{"a":1,"b":{"c":[{"d":1,"d":2}]}}', "duplicate key 'd'"),
        (b'{"a":1,"\\u0061":2}', "duplicate key 'a'"),
        (b'{"a":1,"a":2,"b":"\\u003a"}', "duplicate key 'a'"),
        (b'{"a":"x\\u0000"}', "NUL in 'a'"),
        (b'{"a":[["\\u0000"]]}', "NUL in 'a'"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":' * 64 + b"{}" + b"}" * 64, "nested deeper"),
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper"),
        (b'{"a":' + b"[" * 100_000, "nested deeper"),
        (b'{"a":1e1000}', "exponent"),
        (b'{"a":1e-99999999999999999999}', "exponent"),
        (b'{"a":0.' + b"1" * 1000 + b"}", "digits"),
        (b'{"a":' + b"1" * 100_000 + b"}", "malformed"),
    ],
)
def test_refused(body: bytes, reason: str) -> None:
    """A body that readers would understand differently, or not at all, is Invalid with its reason."""
    with pytest.raises(HealixError) as caught:
        decode(body)
    assert caught.value.category is Category.INVALID
    assert caught.value.issues[0].code == "structure"
    assert reason in caught.value.message


def test_depth_limit() -> None:
    """Sixty-four levels are read."""
    assert decode(b'{"a":' * 63 + b"[]" + b"}" * 63)


@pytest.mark.parametrize(
    "text",
    ["1.50", "0.0000000", "1e5", "1E-7", "-0.0", "0.00000001", "42.123456789012345", "-71.776045", "7", "1.0"],
)
def test_numbers_keep_their_text(text: str) -> None:
    """What was sent is what is served, digit for digit."""
    body = f'{{"value":{text}}}'.encode()
    assert encode(decode(body)) == body
    assert decode(body)["value"] == Decimal(text)


def test_keys_keep_their_order() -> None:
    """Keys stay in the order in which they came, and text stays UTF-8."""
    body = '{"z":1,"a":{"ü":"😀","b":null},"m":[true,"\\n"]}'.encode()
    assert encode(decode(body)) == body


def test_escapes_are_read() -> None:
    """Escaped colons, backslashes and letters are no reason to refuse."""
    assert decode(b'{"\\u003a":"\\u003a:","b":"\\\\u0000","c":"\\u00e9"}') == {":": "::", "b": "\\u0000", "c": "é"}


def test_unknown_objects_are_not_written() -> None:
    """Only what JSON can hold is written."""
    with pytest.raises(TypeError):
        encode({"a": object()})
