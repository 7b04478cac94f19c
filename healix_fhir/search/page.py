"""A place in the pages of a search, sealed into a link.

A cursor holds the sort keys and the surrogate key of the row to go on from, forward or back, and a ceiling: the highest
surrogate key that was given out when the first page was read. Resources made later are above it and do not appear on
later pages; a resource that is changed or deleted between two pages is found as it then is. So the pages of one search
neither repeat a resource nor miss one that stays as it was.

It is encrypted as well as signed, since surrogate keys would tell how much the server holds, and bound to the search it
belongs to. It carries no access: that always comes from the token of the request.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.search.keyset import Place

NONCE = 12
"""Random bytes before each sealed cursor: two links to the same place differ, so that equal ones tell nothing."""

STEP = 64
"""Cursors are as long as a multiple of this: to the byte, their length would tell how large the surrogate keys are."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where to go on: behind the row `place`, or before it if `backward`; without one, from the end of the order."""

    ceiling: int
    backward: bool
    place: Place | None


class Signer:
    """Seals cursors with the server's secret `key`; all nodes of one server share it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(hmac.digest(key, b"healix search page", "sha512"))

    def seal(self, at: Cursor, search: str) -> str:
        """The text of `at` for a link, bound to `search`."""
        nonce = os.urandom(NONCE)
        sealed = self._cipher.encrypt(_padded(msgspec.msgpack.encode(at)), [search.encode(), nonce])
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def unseal(self, text: str, search: str) -> Cursor:
        """The cursor that `seal` made of the same `search`; raises Invalid for every other text."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            opened = self._cipher.decrypt(sealed[NONCE:], [search.encode(), sealed[:NONCE]])
            return msgspec.msgpack.decode(_unpadded(opened), type=Cursor)
        except (InvalidTag, binascii.Error, ValueError, msgspec.MsgspecError) as error:
            raise foreign() from error


def _padded(packed: bytes) -> bytes:
    marked = b"\1" + packed
    return marked.rjust(-(-len(marked) // STEP) * STEP, b"\0")


def _unpadded(padded: bytes) -> bytes:
    return padded.lstrip(b"\0")[1:]


def foreign() -> HealixError:
    """The refusal of a cursor that this server did not make for this search."""
    return invalid("_cursor was not made by this server for this search; start again from the first page", code="value")
