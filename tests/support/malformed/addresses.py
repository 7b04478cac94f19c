"""Addresses where nothing is, and searches that mean nothing."""

from __future__ import annotations

from random import Random

from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.model.json import encode
from tests.support.malformed.sent import FORM, JSON, KNOWN, Sent, pick
from tests.support.resources import patient


def address(chance: Random) -> Sent:
    """Addresses where nothing is, and methods that do nothing."""
    junk = chance.choice(["a_b", "x" * 65, "é", "%00", "%ff", "a%2Fb", "a b", "*", "-" * 100, "%F0%9F%98%80", "$", "~"])
    type_name = chance.choice(
        ["Nobody", "patient", "Patient ", "%00", "Resource", "DomainResource", "x" * 3000, "_", "..."]
    )
    return pick(
        chance,
        lambda: Sent("GET", f"Patient/{junk}"),
        lambda: Sent("GET", f"{type_name}/1"),
        lambda: Sent("GET", f"{type_name}?_id=1"),
        lambda: Sent("DELETE", f"{type_name}/1"),
        lambda: Sent("GET", f"{type_name}/1/_history"),
        lambda: Sent("GET", f"Patient/{junk}/_history"),
        lambda: Sent(
            "GET",
            f"Patient/{KNOWN}/_history/{chance.choice(['0', '-1', 'x', '9' * 40, '1.0', '%00', '²', '']) or 'y'}",
        ),
        lambda: Sent("GET", f"Patient/{KNOWN}/{chance.choice(['Nobody', '%00', '$nothing', '_unknown', 'x' * 2000])}"),
        lambda: Sent(chance.choice(["GET", "POST"]), f"${chance.choice(['nothing', '%00', 'x' * 3000, '', '$'])}"),
        lambda: Sent(chance.choice(["BREW", "TRACE", "CONNECT", "get", "X" * 500]), f"Patient/{KNOWN}"),
        lambda: Sent(chance.choice(["PUT", "DELETE", "PATCH"]), f"Patient/{KNOWN}/_history/1"),
        lambda: Sent("GET", "/".join(["Patient", KNOWN, "a", "b", "c", "d"][: chance.randint(4, 6)])),
        lambda: Sent(
            "GET", f"Patient/{KNOWN}?_format={chance.choice(['ttl', 'html', '', '%00', 'x' * 3000, 'a/b/c'])}"
        ),
        lambda: Sent("GET", f"Patient/{KNOWN}?_pretty={chance.choice(['', '1', 'TRUE', '%00'])}"),
        lambda: Sent("GET", f"Patient/{KNOWN}?_summary={chance.choice(['count', 'x', '', 'TRUE', '%00'])}"),
        lambda: Sent(
            "GET", f"Patient/{KNOWN}?_elements={chance.choice(['', ',', 'nothing', 'Nobody.x', 'a.b.c', '%00'])}"
        ),
        lambda: Sent("GET", f"metadata?mode={chance.choice(['summary', '', 'x', '%00'])}"),
        lambda: Sent("PUT", f"Patient/{junk}", encode(patient(id="a")), {"content-type": JSON}),
        lambda: Sent(
            "GET",
            f"Patient/{KNOWN}/_history?{chance.choice(['_count=x', '_since=now', '_since=', '_count=-1', '_at=x'])}",
        ),
    )


BAD_VALUES = {
    "date": [
        "nonsense",
        "2024-13",
        "2024-02-30",
        "gt",
        "xx2024",
        "2024-01-01T25:00",
        "9" * 500,
        "2024,",
        ",",
        "gtgt2024",
        "-1",
    ],
    "token": ["a|b|c", "|", ",", "a,,b"],
    "reference": ["Nobody/1", "a/b/c/d", ",", "Patient/a_b", "Patient/", "/1"],
    "number": ["x", "1e999999", "gt", "1,,2", "--1", "1.2.3", "NaN", ","],
    "quantity": ["x|y|z", "1|2|3|4|5", "gt", "|a|b", "1e999999", ",", "NaN||mg"],
    "string": [",", "a,,b"],
    "uri": [",", "a,,b"],
    "composite": ["a", "$", "a$b$c$d$e", ","],
}
BAD_MODIFIERS = [":nonsense", ":", ":EXACT", ":missing:exact", ":Nobody", ":%00", ":" + "x" * 500]


def query(chance: Random) -> Sent:
    """Searches with values, modifiers and controls that mean nothing."""
    type_name = chance.choice(TYPES)
    parameter = chance.choice(list(search_parameters(type_name).values()))
    other = chance.choice(list(search_parameters("Patient").values()))
    values = BAD_VALUES.get(parameter.type, ["%00"]) if parameter.code != "_id" else [","]
    bad = pick(
        chance,
        lambda: f"{parameter.code}={quoted(chance.choice(values))}",
        lambda: f"{parameter.code}{chance.choice(BAD_MODIFIERS)}=x",
        lambda: f"{parameter.code}:missing={chance.choice(['', 'maybe', '1', 'TRUE', '%00'])}x",
        lambda: f"{parameter.code}={chance.choice(['%00', '%ff', '%C3%28', '%ED%A0%80', 'a%00b'])}",
        lambda: f"{parameter.code}=" + ",".join(str(n) for n in range(1, 3000)),
        lambda: f"_count={chance.choice(['-1', 'x', '1.5', '٣', '9' * 400, '%00', '1e3'])}",
        lambda: f"_sort={chance.choice(['nothing', '-', '--_id', ',', '%00', '_id,,_id', ':'])}",
        lambda: f"_total={chance.choice(['some', 'TRUE', '%00', '1'])}",
        lambda: f"_summary={chance.choice(['all', 'TRUE', '%00', '1'])}",
        lambda: f"_elements={chance.choice(['nothing', ',', 'a.b.c', '%00', 'Nobody.name'])}",
        lambda: (
            f"_include={chance.choice(['Nobody:x', f'{type_name}:nothing', ':', f'{type_name}:', '%00', '::::', 'x'])}"
        ),
        lambda: f"_revinclude={chance.choice(['Nobody:x', 'Observation:nothing', ':', '%00', '::::', 'x'])}",
        lambda: (
            f"_has:{chance.choice(['Nobody:x:y', ':', '::', 'Observation', 'Observation:nothing:code', '%00:a:b'])}=x"
        ),
        lambda: f"{chance.choice(['nothing.', '.', 'a.' * 200, f'{other.code}.', 'x..'])}name=x&_strict",
        lambda: f"_filter={chance.choice(['((', 'name eq', ')', 'name zz x', '%00', '(' * 2000, 'not', 'and'])}",
        lambda: f"_cursor={chance.choice(['x', '', '%00', 'A' * 3000, '====', 'é'])}x",
        lambda: f"_lastUpdated={quoted(chance.choice(BAD_VALUES['date']))}",
        lambda: "&".join(f"_id={n}" for n in range(1500)),
        lambda: (
            chance.choice(["_type=Nobody", "_contained=maybe", "_containedType=x", "_explain=maybe"]) + "&nothing=1"
        ),
    )
    strict = {"prefer": "handling=strict"}
    if chance.random() < 0.3:
        return Sent("POST", f"{type_name}/_search", bad.encode(), strict | {"content-type": FORM})
    return Sent("GET", f"{type_name}?{bad}", headers=strict)


def quoted(value: str) -> str:
    """A value with what would end it in a query percent-encoded."""
    return "".join(c if c.isascii() and c not in "%&=+# " else "".join(f"%{b:02X}" for b in c.encode()) for c in value)
