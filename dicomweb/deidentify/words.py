"""Descriptions cleaned: of their words only those stay that are known to be of medicine or of machines.

Known are the words of the codes of PS3.16 that stand there in lower case or alone, so that they are no names, and
measures such as `5mm`. What the object says of its patient and staff elsewhere is no known word, whatever it means: a
patient may be called Brown or Long.

Spec: PS3.15 E.3.5 (2026c)
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

WORD = re.compile(r"[^\W_]+(?:\.\d+)?[^\W_]*")
MEASURE = re.compile(r"\d{1,3}(?:\.\d{1,2})?(?:mm|cm|ms|s|kv|kvp|ma|mas|hz|mhz|t)|[tb][12]\d{0,3}|[ctls]\d{1,2}")
SHORT = frozenset(
    {"ct", "mr", "mri", "us", "dx", "cr", "xr", "pet", "nm", "ax", "axial", "sag", "sagittal", "cor", "coronal"}
    | {"flair", "dwi", "adc", "tse", "fse", "gre", "stir"}
)
LEAST = 3


@cache
def known() -> frozenset[str]:
    """The known words, in lower case. They take a moment, and only descriptions need them."""
    from pydicom.sr import _concepts_dict

    schemes: dict[str, dict[str, dict[str, tuple[str, list[int]]]]] = vars(_concepts_dict)["concepts"]
    meanings = [name for scheme in schemes.values() for codes in scheme.values() for name, _ in codes.values()]
    found = {word.lower() for text in meanings for word in WORD.findall(text) if word.islower() or word == text}
    return frozenset(word for word in found if len(word) >= LEAST and word.isalpha()) | SHORT


def cleaned(text: str, identifying: Collection[str]) -> str:
    """The text with known words alone; `identifying` ones, in lower case, are not known."""
    return " ".join(word for word in WORD.findall(text) if _may_stay(word.lower(), identifying))


def _may_stay(word: str, identifying: Collection[str]) -> bool:
    return word not in identifying and (word in known() or MEASURE.fullmatch(word) is not None)


def words(text: str) -> set[str]:
    """The words of an identifying value, by which it may be known again, in lower case."""
    return {word.lower() for word in WORD.findall(text)}
