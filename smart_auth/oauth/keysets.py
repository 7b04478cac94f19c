"""Public keys of clients, as a JSON Web Key Set.

Spec: RFC 7517; SMART App Launch 2.2 client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

from __future__ import annotations

from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from healix_fhir.kernel.errors import invalid

LARGEST = 64 * 1024
MOST = 20
SMALLEST_RSA = 2048
BITS_OF_A_DIGIT = 6  # of base64
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def parse_keys(text: str | bytes) -> KeySet:
    """The usable keys of a set: RSA and EC P-384, public. Raises Invalid when there is none, or a private one.

    Keys of other kinds are left out, as RFC 7517 section 5 wants.
    """
    if len(text) > LARGEST:
        raise invalid(f"a key set has at most {LARGEST} bytes")
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise invalid("the key set is no JSON") from error
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid("a key set is a JSON object with an array 'keys'")
    if len(entries) > MOST:
        raise invalid(f"a key set has at most {MOST} keys")
    if any(PRIVATE & entry.keys() for entry in entries):
        raise invalid("the key set holds a private key; register the public ones only", code="value")
    keys: list[Key] = [key for entry in entries if (key := _key(entry)) is not None]
    if not keys:
        raise invalid("the key set has no RSA (2048 bits or more) or EC P-384 key for signatures", code="value")
    return KeySet(keys)


def _key(entry: dict[str, Any]) -> RSAKey | ECKey | None:
    """One key, None where its kind, its size or its use is none for signatures."""
    if entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid", ""), str):
        return None
    try:
        if entry.get("kty") == "RSA":
            if len(entry["n"]) * BITS_OF_A_DIGIT < SMALLEST_RSA:
                return None
            rsa = RSAKey.import_key(entry)
            return rsa if rsa.raw_value.key_size >= SMALLEST_RSA else None
        if entry.get("kty") == "EC" and entry.get("crv") == "P-384":
            return ECKey.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise invalid("the key set holds a malformed key", code="value") from error
    return None
