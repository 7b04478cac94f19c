"""The text of a primitive's `value` as the JSON value of its type.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#primitive, hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import number

WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)|\+[1-9][0-9]*")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

Value = bool | int | Decimal | str


def read_value(type_name: str, text: str) -> Value | None:
    """The value; None for what is no boolean or number although the type is. Strings are the validation's to judge."""
    convert = _CONVERSIONS.get(type_name)
    return text if convert is None else convert(text)


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _integer(text: str) -> Value | None:
    """A plus sign, which only XML has, is dropped."""
    return _number(text.removeprefix("+")) if WHOLE.fullmatch(text) else None


def _decimal(text: str) -> Value | None:
    return _number(text) if DECIMAL.fullmatch(text) else None


def _number(text: str) -> Value | None:
    try:
        return number(text)
    except HealixError:
        return None


_CONVERSIONS: Mapping[str, Callable[[str], Value | None]] = {
    "boolean": _boolean,
    "decimal": _decimal,
    "integer": _integer,
    "positiveInt": _integer,
    "unsignedInt": _integer,
}
