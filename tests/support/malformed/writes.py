"""Transactions, patches and operations that cannot be run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from healix_fhir.model.json import encode
from healix_fhir.model.xml import encode as xml
from tests.support.malformed.sent import JSON, KNOWN, XML, Sent, pick
from tests.support.resources import observation, patient, transaction


def bundle(chance: Random) -> Sent:
    """Transactions with an entry that cannot be run."""
    whole = transaction(patient(), observation("urn:uuid:00000000-0000-4000-8000-000000000000"))
    entry = chance.choice(whole["entry"])
    request = entry["request"]
    breaks: list[Callable[[], Any]] = [
        lambda: entry.pop("request"),
        lambda: entry.pop("resource"),
        lambda: entry.update(
            request=chance.choice([{}, [], None, "POST Patient", {"method": "POST"}, {"url": "Patient"}])
        ),
        lambda: request.update(method=chance.choice(["BREW", "", 5, None, "post", "GET\r\nX: y"])),
        lambda: request.update(
            url=chance.choice(
                [
                    "",
                    "/",
                    "?",
                    "Nobody",
                    "Patient/a/b/c/d",
                    "http://evil.test/Patient",
                    "Patient/%00",
                    "$",
                    "x" * 5000,
                    5,
                    None,
                    "../Patient",
                    "Patient/1/$x",
                ]
            )
        ),
        lambda: request.update(
            method="PUT", url=chance.choice(["Patient", "Patient/a_b", "Patient/1/2", "Patient?name"])
        ),
        lambda: request.update(method="PUT", url=f"Patient/{KNOWN}", ifMatch=chance.choice(["x", 'W/"999"', "", 5])),
        lambda: request.update(method="PATCH", url=f"Patient/{KNOWN}"),
        lambda: request.update(ifNoneExist=chance.choice(["nothing=1", "", "birthdate=x", 5, "%00"])),
        lambda: entry.update(
            fullUrl=chance.choice([5, "", "a b", [], "urn:uuid:00000000-0000-4000-8000-000000000009 "])
        ),
        lambda: entry.update(
            resource=chance.choice(
                [[], "x", {}, {"resourceType": "Nobody"}, {"resourceType": 5}, None, patient(gender="x")]
            )
        ),
        lambda: entry.update(search={"mode": "x"}),
        lambda: whole.update(type=chance.choice(["searchset", "history", "document", "x", "", None, 5, "TRANSACTION"])),
        lambda: whole.update(entry=chance.choice([{}, "x", [[]], [None], [5], []])),
        lambda: whole["entry"].append(copy.deepcopy(entry)),
        lambda: whole.update(resourceType=chance.choice(["Patient", "bundle", None, 5, ""])),
        lambda: whole.update(total="x"),
        lambda: whole["entry"][1]["resource"].update(
            subject={"reference": "urn:uuid:00000000-0000-4000-8000-00000000dead"}
        ),
        lambda: whole["entry"][1]["resource"].update(
            subject={
                "reference": chance.choice(
                    ["Patient?", "Patient?nothing=1", "Patient?identifier=none|none", "Nobody?x=1"]
                )
            }
        ),
    ]
    chance.choice(breaks)()
    body = encode(whole)
    return Sent("POST", "", body, {"content-type": JSON})


def patch(chance: Random) -> Sent:
    """Patches of the Patient that is there, which cannot be read or applied."""
    one = {"op": "add", "path": "/active", "value": True}
    steps: list[Any] = [
        {}, [5], [None], [{}], "x", [one | {"op": chance.choice(["x", "", 5, None])}], [one | {"path": "active"}],
        [one | {"path": chance.choice(["/nothing/x", "/name/9", "/name/-1", "/name/01", "/~2", 5, None, "/" * 3000])}],
        [{"op": "add", "path": "/active"}], [{"op": "remove", "path": "/nothing"}],
        [{"op": "replace", "path": "/no", "value": 1}], [{"op": "test", "path": "/gender", "value": "x"}],
        [{"op": "move", "path": "/a", "from": "/nothing"}], [{"op": "copy", "path": "/a"}],
        [one | {"path": "/gender", "value": "x"}], [one | {"path": "", "value": []}],
        [one | {"path": "/resourceType", "value": "Observation"}], [one | {"path": "/id", "value": "other"}],
        [one | {"path": "/nothing", "value": 1}], [one] * 20000, [one | {"value": None}],
    ]  # fmt: skip
    replace = {"name": "type", "valueCode": "replace"}
    path = {"name": "path", "valueString": "Patient.active"}
    broken = {"name": "path", "valueString": chance.choice(["(", "Patient.no", "1 +", "%x", "Patient.name.where("])}
    insert = [{"name": "type", "valueCode": "insert"}, {"name": "path", "valueString": "Patient.name"}]
    operations: list[Any] = [
        [], [{"name": "operation"}], [{"name": "x"}], [{"name": "operation", "part": [replace]}],
        [{"name": "operation", "part": [replace, broken]}], [{"name": "operation", "part": [replace, path]}],
        [{"name": "operation", "part": [{"name": "type", "valueCode": "x"}, path]}],
        [{"name": "operation", "part": [*insert, {"name": "index", "valueInteger": 99}, path]}],
    ]  # fmt: skip
    where = chance.choice([f"Patient/{KNOWN}", "Patient/absent", "Nobody/1"])
    if chance.random() < 0.5:
        body = encode(chance.choice(steps)) if chance.random() < 0.8 else chance.choice([b"", b"[", b"null", b"\xff"])
        return Sent("PATCH", where, body, {"content-type": "application/json-patch+json"})
    body = encode({"resourceType": "Parameters", "parameter": chance.choice(operations)})
    if chance.random() < 0.3:
        body = chance.choice([b"", b"{}", encode(patient()), body[:-1]])
    return Sent(
        "PATCH", where, body, {"content-type": chance.choice([JSON, "text/plain", "application/json-patch+json"])}
    )


def operation(chance: Random) -> Sent:
    """Calls of $validate that hold nothing to validate, and of operations that there are not."""
    fine = {"content-type": JSON}
    return pick(
        chance,
        lambda: Sent("POST", "Patient/$validate", chance.choice([b"", b"{", b"[]", b"null", b'{"a":1,"a":2}']), fine),
        lambda: Sent(
            "POST",
            f"Patient/$validate?{chance.choice(['mode=x', 'nothing=1', 'mode=%00', 'mode=delete'])}",
            encode(patient()),
            fine,
        ),
        lambda: Sent(
            "POST",
            "Patient/$validate",
            encode(
                {
                    "resourceType": "Parameters",
                    "parameter": chance.choice(
                        [
                            {},
                            "x",
                            [5],
                            [{}],
                            [{"name": "x"}],
                            [{"name": "mode", "valueCode": "x"}],
                            [{"name": "resource"}],
                        ]
                    ),
                }
            ),
            fine,
        ),
        lambda: Sent("POST", "$validate-nothing", encode(patient()), fine),
        lambda: Sent("POST", "Nobody/$validate", encode(patient()), fine),
        lambda: Sent("POST", "Patient/absent/$validate", encode(patient(id="absent")), fine),
        lambda: Sent("PUT", "Patient/$validate", encode(patient()), fine),
        lambda: Sent("POST", "Patient/$validate", xml.encode(patient())[:-3], {"content-type": XML}),
    )
