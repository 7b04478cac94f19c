"""JSON Web Tokens as far as apps need them: assertions signed with ES384 or RS384, id tokens checked with RS256.

Made from the primitives of `cryptography`, so that nothing which a server may use for the same is trusted here.

Spec: RFC 7515 5; RFC 7518 3.3, 3.4; SMART App Launch 2.2 client-confidential-asymmetric.html
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
P384 = 48
"""Bytes of a coordinate on the curve P-384."""


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: PrivateKey) -> str:
    """A compact JWS by `key`, whatever the header says: ECDSA or RSA, with SHA-384."""
    signed = f"{_text(header)}.{_text(claims)}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA384())))
        signature = r.to_bytes(P384) + s.to_bytes(P384)
    else:
        signature = key.sign(signed.encode(), PKCS1v15(), SHA384())
    return f"{signed}.{encode(signature)}"


def algorithm(key: PrivateKey) -> str:
    """The name of the algorithm that `sign` uses with a key."""
    return "ES384" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS384"


def public(key: PrivateKey, kid: str) -> dict[str, str]:
    """The public half of a key as a JWK."""
    shared = {"kid": kid, "alg": algorithm(key), "use": "sig"}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-384", "x": _number(point.x, P384), "y": _number(point.y, P384)} | shared
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)} | shared


def decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWS, unchecked. Raises ValueError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("a compact JWS has three parts")
    header, claims = json.loads(_bytes(parts[0])), json.loads(_bytes(parts[1]))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("header and claims are JSON objects")  # noqa: TRY004 - malformed, like the other cases
    return header, claims


def verifies(token: str, jwk: Mapping[str, Any]) -> bool:
    """Whether a compact JWS was signed with RS256 by the owner of an RSA key."""
    signed, _, signature = token.rpartition(".")
    n, e = (int.from_bytes(_bytes(jwk[name])) for name in ("n", "e"))
    try:
        rsa.RSAPublicNumbers(e, n).public_key().verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _text(value: Mapping[str, Any]) -> str:
    return encode(json.dumps(value).encode())


def _number(value: int, length: int | None = None) -> str:
    return encode(value.to_bytes(length or (value.bit_length() + 7) // 8))


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
