"""Headers, content codings and forms that say what cannot be."""

from __future__ import annotations

import gzip
from random import Random

from healix_fhir.model.json import encode
from tests.support.malformed.sent import FORM, JSON, KNOWN, Sent, pick
from tests.support.resources import patient


def header(chance: Random) -> Sent:
    """Headers that say what cannot be."""
    body = encode(patient(id=KNOWN))
    fine = {"content-type": JSON}
    packed = gzip.compress(body)
    return pick(
        chance,
        lambda: Sent(
            "POST",
            "Patient",
            body,
            {
                "content-type": chance.choice(
                    [
                        "",
                        "json",
                        "text/plain",
                        "image/png",
                        "a/b/c",
                        "multipart/form-data",
                        f"{JSON}; charset=latin1",
                        f"{JSON}; charset=utf-16",
                        f"{JSON}; fhirVersion=3.0",
                        "x" * 5000,
                        "\xff",
                    ]
                )
            },
        ),
        lambda: Sent("POST", "Patient", body, {}),
        lambda: Sent(
            "POST",
            "Patient",
            body,
            fine | {"content-encoding": chance.choice(["br", "x", "gzip, gzip", "zstd", "\xff"])},
        ),
        lambda: Sent(
            "POST",
            "Patient",
            chance.choice([body, packed[:-4], packed[:10], b"", packed + b"x", b"\x1f\x8b" + body]),
            fine | {"content-encoding": "gzip"},
        ),
        lambda: Sent(
            "POST", "Patient", body, fine | {"content-length": chance.choice(["x", "-1", "9" * 30, "1e3", ""])}
        ),
        lambda: Sent(
            "PUT",
            f"Patient/{KNOWN}",
            body,
            fine | {"if-match": chance.choice(["x", "*", '"', 'W/"x"', "", 'W/"1", W/"2"', 'W/"99999"', "\xff"])},
        ),
        lambda: Sent(
            "DELETE",
            f"Patient/{KNOWN}",
            b"",
            {"if-match": chance.choice(["x", "*", 'W/"x"', 'W/"-1"', 'W/"99999"'])},
        ),
        lambda: Sent("PUT", f"Patient/{KNOWN}", body, fine | {"if-none-match": chance.choice(["*", "x", 'W/"1"', ""])}),
        lambda: Sent(
            "POST",
            "Patient",
            encode(patient()),
            fine
            | {
                "if-none-exist": chance.choice(
                    ["", "x", "nothing=1", "birthdate=nonsense", "?", "=", "%00", "_id", "name=%ff", "\xff"]
                )
            },
        ),
        lambda: Sent(
            "GET",
            f"Patient/{KNOWN}",
            b"",
            {
                "accept": chance.choice(
                    [
                        "image/png",
                        "json",
                        "a/b;q=2",
                        "a/b, ;",
                        "x/y," * 3000,
                        f"{JSON};q=0",
                        "\xff",
                        f"{JSON}; fhirVersion=9.0",
                        ";",
                    ]
                )
            },
        ),
        lambda: Sent(
            "GET",
            f"Patient/{KNOWN}",
            b"",
            {
                "authorization": chance.choice(
                    ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer \xff", "x" * 5000, "Bearer a b"]
                )
            },
        ),
        lambda: Sent(
            "GET",
            "Patient?nothing=1",
            b"",
            {"prefer": chance.choice(["handling=strict", "handling=strict, respond-async", 'HANDLING="strict"'])},
        ),
    )


def form(chance: Random) -> Sent:
    """Searches by POST whose body is no form."""
    boundary = 'multipart/form-data; boundary="x"'
    good = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n--x--\r\n'
    return pick(
        chance,
        lambda: Sent("POST", "Patient/_search", good, {"content-type": boundary}),
        lambda: Sent("POST", "Patient/_search", good[:20], {"content-type": "multipart/form-data"}),
        lambda: Sent("POST", "Patient/_search", encode(patient()), {"content-type": JSON}),
        lambda: Sent(
            "POST",
            "Patient/_search",
            chance.choice([b"name=%ff", b"name=%", b"\xff=1", b"a=\xc3\x28", b"name=%00", b"a&" * 3000 + b"_count=x"])
            + b"&_count=x",
            {"content-type": FORM},
        ),
        lambda: Sent(
            "POST",
            chance.choice(["Nobody/_search", "Patient/known/Nobody/_search"]),
            b"name=a",
            {"content-type": FORM},
        ),
        lambda: Sent("POST", "_search", b"_count=x", {"content-type": FORM}),
    )
