"""Bodies in JSON that are none, or no resources."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from healix_fhir.model.json import encode
from tests.support.malformed.sent import JSON, Sent, pick, resource, written
from tests.support.resources import observation, patient


def text(chance: Random) -> Sent:
    """Bytes that are no JSON, or JSON that readers differ about."""
    whole = resource(chance)
    body = encode(whole)
    place = chance.randrange(1, len(body))
    quote = body.index(b'"', chance.randrange(len(body) // 2)) + 1
    damaged = pick(
        chance,
        lambda: body[:place],
        lambda: body + chance.choice([b"}", b"{}", b"x", b"\x00"]),
        lambda: b"[" + body + b"]",
        lambda: chance.choice([b"", b" ", b"null", b"true", b"5", b'"text"', b"[]", b"{", b"\x00", b"NaN"]),
        lambda: body[:-1] + b',"resourceType":' + encode(whole["resourceType"]) + b"}",
        lambda: body[:-1] + b',"language":' + chance.choice([b"NaN", b"Infinity", b"undefined", b"'x'", b"01"]) + b"}",
        lambda: body[:quote] + chance.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x01"]) + body[quote:],
        lambda: body[:quote] + chance.choice([rb"\ud800", rb"\x41", rb"\u00", rb"\u0000"]) + body[quote:],
        lambda: body.decode().encode(chance.choice(["utf-16", "utf-32"])),
        lambda: body[:-1] + b",}",
        lambda: body[:-1] + b',"x":' + chance.choice([b"[", b'{"a":']) * 5000,
        lambda: body[:-1] + b',"x":' + b"[" * 100 + b"]" * 100 + b"}",
        lambda: (
            body[:-1] + b',"x":' + chance.choice([b"1e999999", b"-1E+99999", b"9" * 9000, b"0." + b"1" * 9000]) + b"}"
        ),
        lambda: body[:-1] + b"/* a comment */}",
    )
    return written(chance, damaged, whole["resourceType"], JSON)


def tree(chance: Random) -> Sent:
    """JSON that is no resource: something in it has a type that nothing in FHIR has."""
    whole = resource(chance)
    broken = copy.deepcopy(whole)
    holder, key = chance.choice(_places(broken))
    wrong: list[Any] = [None, {}, [], "", [[1]], {"": 1}, {"a b": 1}, [None], {"\ufffd": {}}, [{}], {"extension": 5}]
    holder[key] = chance.choice(wrong)
    if chance.random() < 0.3:
        broken = whole | {
            chance.choice(["nothing", "__proto__", "x" * 3000, "", "é", "_id", "Name"]): chance.choice(wrong)
        }
    return written(chance, encode(broken), whole["resourceType"], JSON)


def value(chance: Random) -> Sent:
    """Values that their types do not admit."""
    bad: list[tuple[Callable[..., dict[str, Any]], str, list[Any]]] = [
        (
            patient,
            "birthDate",
            ["2024-02-30", "24", 5, "2024-1-1", "0000", "2024-01-01T00:00:00Z", "\uff11970"],
        ),
        (patient, "gender", ["none", "MALE", 1, "male "]),
        (patient, "active", ["true", 1, 0, "yes"]),
        (patient, "multipleBirthInteger", [1.5, "1", 2**31, -(2**40)]),
        (patient, "deceasedDateTime", ["today", "2024-13", "2024-01-01T25:00:00Z"]),
        (
            patient,
            "name",
            ["Ada", [["Ada"]], [{"given": "Ada"}], [{"given": [None]}], [{"given": ["A"], "_given": []}]],
        ),
        (patient, "text", [{"status": "generated", "div": "<div>x</div>"}, {"status": "generated"}, "<div/>"]),
        (patient, "contained", [[{}], [{"resourceType": "Nobody"}], [patient()], {"resourceType": "Patient"}]),
        (patient, "extension", [[{}], [{"url": "u:x"}], [{"url": "u:x", "valueString": "a", "valueCode": "b"}]]),
        (patient, "meta", [{"tag": {}}, {"versionId": 1}, {"lastUpdated": "now"}, []]),
        (observation, "status", ["done", None, ["final"]]),
        (observation, "subject", [{"reference": 5}, {"reference": "Nobody/1"}, "Patient/1", {"reference": "#nobody"}]),
        (observation, "valueQuantity", [{"value": "72"}, {"value": True}, {"comparator": "=="}, 72]),
        (observation, "valueString", ["two values"]),
        (observation, "effectiveDateTime", ["2024-05-06T07:08:09", "2024-05-06 07:08", "2023-02-29"]),
    ]
    make, name, values = chance.choice(bad)
    whole = make() | {name: chance.choice(values)}
    return written(chance, encode(whole), whole["resourceType"], JSON)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every member and item of a tree, as what holds it and its key."""
    found: list[tuple[Any, Any]] = []
    level = [tree]
    while level:
        holder = level.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                level.append(holder[key])
    return found
