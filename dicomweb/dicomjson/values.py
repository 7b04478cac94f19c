"""From the bytes of a value to its DICOM JSON text, for each value representation.

Each function returns what follows `{"vr":"XX"`: nothing but the brace when the value is empty, else `,"Value":[…]}`.
Spec: PS3.18 F.2.2 to F.2.5 (2024d)
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from struct import Struct, iter_unpack

import msgspec

from dicomweb.dicomjson import charset
from healix_fhir.kernel.errors import invalid

EMPTY = b"}"
PAD = b"\0 "
SAFE = re.compile(rb"[ !#-\[\]-~]*").fullmatch
"""ASCII that stands for itself in JSON, in every character set, and holds no value delimiter."""

NUMBER = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?"
NUMBERS = re.compile(NUMBER + rb"(?:\\" + NUMBER + rb")*").fullmatch
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
INTEGERS = re.compile(rb"-?(?:0|[1-9][0-9]{0,15})(?:\\-?(?:0|[1-9][0-9]{0,15}))*").fullmatch
INTEGER = re.compile(r"[+-]?[0-9]{1,16}").fullmatch

text_json: Callable[[str], bytes] = msgspec.json.Encoder().encode

Plain = Callable[[bytes], bytes]
Text = Callable[[bytes, str], bytes]


def values(items: Iterable[bytes]) -> bytes:
    """The end of an attribute with these encoded values."""
    return b',"Value":[' + b",".join(items) + b"]}"


def string(raw: bytes) -> bytes:
    """AE AS CS DA DT TM UI: the default character repertoire, several values."""
    raw = raw.rstrip(PAD)
    if not raw:
        return EMPTY
    if SAFE(raw):
        return b',"Value":["' + raw + b'"]}'
    return _texts(raw.decode("latin_1"))


def text(raw: bytes, codec: str) -> bytes:
    """LO SH UC: text in the data set's character set, several values."""
    raw = raw.rstrip(PAD)
    if not raw:
        return EMPTY
    if SAFE(raw):
        return b',"Value":["' + raw + b'"]}'
    return _texts(charset.decode(raw, codec))


def long_text(raw: bytes, codec: str) -> bytes:
    """LT ST UT: one text that may hold backslashes and lines."""
    raw = raw.rstrip(PAD)
    if not raw:
        return EMPTY
    if SAFE(raw):
        return b',"Value":["' + raw + b'"]}'
    return b',"Value":[' + text_json(charset.decode(raw, codec)) + b"]}"


def url(raw: bytes) -> bytes:
    """UR: one value in the default repertoire."""
    raw = raw.rstrip(PAD)
    return b',"Value":[' + text_json(raw.decode("latin_1")) + b"]}" if raw else EMPTY


def _texts(decoded: str) -> bytes:
    parts = (part.rstrip("\0 ") for part in decoded.split("\\"))
    return values(text_json(part) if part else b"null" for part in parts)


def person_name(raw: bytes, codec: str) -> bytes:
    """PN: component groups as an object, several values.

    Spec: PS3.18 F.2.2 (2024d); PS3.5 6.2.1
    """
    raw = raw.rstrip(PAD)
    if not raw:
        return EMPTY
    if SAFE(raw) and b"=" not in raw:
        return b',"Value":[{"Alphabetic":"' + raw + b'"}]}'
    return values(_name(part) for part in charset.decode(raw, codec).split("\\"))


GROUPS = (b'"Alphabetic":', b'"Ideographic":', b'"Phonetic":')


def _name(value: str) -> bytes:
    groups = [group.rstrip("\0 ") for group in value.split("=", 2)]
    named = [key + text_json(group) for key, group in zip(GROUPS, groups, strict=False) if group]
    return b"{" + b",".join(named) + b"}" if named else b"null"


def decimal(raw: bytes) -> bytes:
    """DS: numbers where they parse (PS3.18 F.2.3 allows a string, which then keeps what was sent)."""
    raw = raw.strip(PAD)
    if not raw:
        return EMPTY
    if NUMBERS(raw):
        return b',"Value":[' + raw.replace(b"\\", b",") + b"]}"
    return values(map(_decimal, raw.decode("latin_1").split("\\")))


def _decimal(part: str) -> bytes:
    part = part.strip("\0 ")
    if not part:
        return b"null"
    if DECIMAL(part) and math.isfinite(number := float(part)):
        return repr(number).encode()
    return text_json(part)


def integer(raw: bytes) -> bytes:
    """IS: numbers where they parse."""
    raw = raw.strip(PAD)
    if not raw:
        return EMPTY
    if INTEGERS(raw):
        return b',"Value":[' + raw.replace(b"\\", b",") + b"]}"
    return values(map(_integer, raw.decode("latin_1").split("\\")))


def _integer(part: str) -> bytes:
    part = part.strip("\0 ")
    if not part:
        return b"null"
    return b"%d" % int(part) if INTEGER(part) else text_json(part)


def _packed(format_: str, text: Callable[..., bytes]) -> Plain:
    """Binary values of the struct format `format_`, each made into `text` from its numbers."""
    size = Struct(format_).size

    def encode(raw: bytes) -> bytes:
        if not raw:
            return EMPTY
        if len(raw) % size:
            raise invalid("the length of a binary value is not a multiple of its size")
        return values(text(*numbers) for numbers in iter_unpack(format_, raw))

    return encode


def integers(format_: str) -> Plain:
    """US SS UL SL SV UV: binary integers; `format_` is the struct format of one."""
    single = Struct(format_)
    size, unpack, several = single.size, single.unpack, _packed(format_, b"%d".__mod__)

    def encode(raw: bytes) -> bytes:
        return b',"Value":[%d]}' % unpack(raw)[0] if len(raw) == size else several(raw)

    return encode


def floats(format_: str) -> Plain:
    """FL FD: binary floats; what JSON has no number for is a string."""
    return _packed(format_, _float)


def _float(value: float) -> bytes:
    if math.isfinite(value):
        return repr(value).encode()
    return b'"NaN"' if math.isnan(value) else b'"inf"' if value > 0 else b'"-inf"'


def tags(format_: str) -> Plain:
    """AT: tags as eight hexadecimal digits."""
    return _packed(format_, lambda group, element: b'"%04X%04X"' % (group, element))


def inline(width: int) -> Plain:
    """OB OD OF OL OV OW UN: binary, base64 in little endian; `width` bytes are swapped together (1: none)."""

    def encode(raw: bytes) -> bytes:
        if not raw:
            return EMPTY
        if width > 1 and len(raw) % width == 0:
            swapped = bytearray(len(raw))
            for index in range(width):
                swapped[index::width] = raw[width - 1 - index :: width]
            raw = bytes(swapped)
        return b',"InlineBinary":"' + b64encode(raw) + b'"}'

    return encode
