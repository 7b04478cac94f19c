"""What an attacker knows, and what it must never learn.

An attacker asks about names: ids, identifiers, codes, words by which a resource may be found. Each has two values, one
that the hidden patient's data has and one that nothing has, of equal length. What hidden data says apart from that is
the canary: no request ever sends it, so no answer may hold it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

CANARY = "Qzxcanary"
NUMBER = "48151.6234"
"""A number that only hidden data has."""

OWN_STUDY = "1.2.826.0.1.3680043.10.1714.9.3"
"""A study of the caller's own patient."""
OWN_IMAGES = "own-images"
"""The PatientID of that study; objects with another one are nobody's, wherever they are stored."""

PLACE = re.compile(r"<(\w+)>")

WORDS = (
    "patient", "observation", "condition", "encounter", "binary", "document", "list", "group", "communication",
    "composition", "report", "medication", "allergy", "device", "questionnaire", "subscription", "task", "appointment",
    "service", "procedure", "provenance", "media", "basic", "specimen", "mrn", "family", "given", "code", "display",
    "address", "phone", "uri", "tag", "security", "profile", "word", "inner", "accession", "description", "measurement",
    "part", "custom", "goal", "detected", "planned",
)  # fmt: skip
"""Ids and words. `measurement` is an Observation of one run, to be changed; `part` has the hidden patient second."""


def names(kind: str, run: str) -> dict[str, str]:
    """The values of the hidden names (`kind` hidq) or the missing ones (misq); `run` is what no other run has."""
    number = {"hidq": "1", "misq": "7"}[kind]
    study = f"1.2.826.0.1.3680043.10.1714.9.{number}"
    return {word: f"{kind}{word}" for word in WORDS} | {
        "measurement": f"{kind}-{run}",
        "kind": kind,
        "date": f"193{number}-07-13",
        "amount": f"48{number}1",
        "position": f"{number}1.25",
        "study": study,
        "series": f"{study}.1",
        "instance": f"{study}.1.1",
        "gone": f"1.2.826.0.1.3680043.10.1714.8.{number}",
        "imaging": f"{kind}-imaging",
        "workitem": f"1.2.826.0.1.3680043.10.1714.8.{number}",
    }


def filled(value: Any, target: Mapping[str, str]) -> Any:
    """`value` with each `<name>` in its texts replaced."""
    if isinstance(value, str):
        return PLACE.sub(lambda found: target.get(found[1], found[0]), value)
    if isinstance(value, bytes):
        return filled(value.decode("latin-1"), target).encode("latin-1")
    if isinstance(value, Mapping):
        return {key: filled(item, target) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, target) for item in value]
    return value


def emptied(text: str, target: Mapping[str, str]) -> str:
    """`text` with the names as `<name>` again, longest first."""
    for name, value in sorted(target.items(), key=lambda item: -len(item[1])):
        text = text.replace(value, f"<{name}>")
    return text


def canaries(raw: bytes) -> list[str]:
    """In which forms an answer holds what it must not."""
    lower = raw.lower()
    return [form for form, sought in _FORMS.items() if (sought in raw if form == "base64" else sought in lower)] + [
        "base64" for shifted in _SHIFTED if shifted in raw
    ][:1]


def _inside(shift: int) -> bytes:
    """What stands for the canary in base64 where it begins `shift` bytes into a group of three."""
    coded = base64.b64encode(b"\0" * shift + CANARY.encode() + b"\0" * 3)
    return coded[4:12] if shift else coded[:12]


_SHIFTED = tuple(_inside(shift) for shift in range(3))
_FORMS = {
    "text": CANARY.lower().encode(),
    "number": NUMBER.encode(),
    "hexadecimal": CANARY.encode().hex().encode(),
    "UTF-16": CANARY.lower().encode("utf-16-le"),
}
assert quote(CANARY) == CANARY
