"""A piece as it is stored: compressed, sealed where there is a key, and known by its digest.

A seal binds a piece to its name, so that none can stand in for another; that none is missing is what the manifest, a
piece itself, says. Pieces are small enough to be sealed at once, and a key is never used for another folder.

Spec: NIST SP 800-38D (AES-GCM); RFC 5869 (HKDF); RFC 8878 (Zstandard)
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.server.backup.store import PIECE, Store

HEADER = "healix-backup"
FORMAT = 1
NONCE = 12
LEVEL = 1
"""Of Zstandard: the level that keeps up with a disk."""
SHORTEST_KEY = 32
SLACK = 64 << 10


class Header(msgspec.Struct, frozen=True):
    """What a folder of backups says of itself, in the clear."""

    format: int
    id: str
    sealed: str = ""
    """Nothing, sealed, in hexadecimal: whether a key is the right one; empty where backups are not encrypted."""


class DamagedError(Exception):
    """A piece is not there, or not what was written."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """What a manifest says of a piece: its name, and size and SHA-256 of its content."""

    name: str
    size: int
    digest: bytes


class Pieces:
    """The pieces of a store."""

    def __init__(self, store: Store, cipher: AESGCM | None, header: bytes) -> None:
        self.store = store
        self.sealed = cipher is not None
        self._cipher = cipher
        self._header = header

    def require_begun(self) -> None:
        """Raise Conflict where another has begun with the same place at the same moment: nobody could open, by what
        stands there now, what is written here.
        """
        if self.store.get(HEADER) != self._header:
            raise HealixError(Category.CONFLICT, "another backup has begun with this place: take this one again")

    def put(self, name: str, plain: bytes) -> Piece:
        """Write a piece and read it back. Raises Unavailable when that is not what was written."""
        piece = Piece(name, len(plain), hashlib.sha256(plain).digest())
        stored = zstandard.ZstdCompressor(LEVEL).compress(plain)
        if self._cipher is not None:
            nonce = os.urandom(NONCE)
            stored = nonce + self._cipher.encrypt(nonce, stored, name.encode())
        self.store.put(name, stored)
        if self.store.get(name) != stored:
            raise HealixError(Category.UNAVAILABLE, "what was written to the backup does not come back as it was")
        return piece

    def get(self, name: str, most: int = PIECE + SLACK) -> bytes:
        """The content of a piece, which has `most` bytes at most. Raises DamagedError."""
        stored = self.store.get(name)
        if stored is None:
            raise DamagedError(f"{name} is missing")
        try:
            if self._cipher is not None:
                stored = self._cipher.decrypt(stored[:NONCE], stored[NONCE:], name.encode())
            if not 0 <= zstandard.frame_content_size(stored) <= most:
                raise DamagedError(f"{name} is damaged")
            return zstandard.ZstdDecompressor().decompress(stored)
        except (InvalidTag, ValueError, zstandard.ZstdError) as error:
            raise DamagedError(f"{name} is damaged") from error

    def read(self, piece: Piece) -> bytes:
        """The content of a piece, which is what was written. Raises DamagedError."""
        plain = self.get(piece.name)
        if len(plain) != piece.size or hashlib.sha256(plain).digest() != piece.digest:
            raise DamagedError(f"{piece.name} is damaged")
        return plain


def open_pieces(store: Store, key_file: str, *, new: bool = False) -> Pieces:
    """The pieces of `store`, opened with the key in `key_file` where they are encrypted.

    With `new` a store that is empty becomes one of backups, encrypted where there is a key. Raises Invalid when it is
    none, or the key is not the one.
    """
    secret = _secret(key_file) if key_file else None
    stored = store.get(HEADER)
    if stored is None:
        if not new:
            raise invalid("there is no backup")
        return _begin(store, secret)
    try:
        header = msgspec.json.decode(stored, type=Header)
    except msgspec.MsgspecError as error:
        raise invalid(f"{HEADER} of the backup is damaged") from error
    if header.format != FORMAT:
        raise invalid("the backup is of a later version of Healix")
    if not header.sealed:
        if secret is None:
            return Pieces(store, None, stored)
        if new:
            raise invalid("these backups are not encrypted: take another place for those that are")
        # Who can write there could put their own in the place of what was sealed.
        raise invalid("the backup is not encrypted: to trust it all the same, leave HEALIX_BACKUP_KEY_FILE out")
    if secret is None:
        raise invalid("the backup is encrypted: name its key in HEALIX_BACKUP_KEY_FILE")
    cipher = _cipher(secret, header.id)
    check = bytes.fromhex(header.sealed)
    try:
        cipher.decrypt(check[:NONCE], check[NONCE:], HEADER.encode())
    except InvalidTag as error:
        raise invalid("the key in HEALIX_BACKUP_KEY_FILE is not the one of this backup") from error
    return Pieces(store, cipher, stored)


def _begin(store: Store, secret: bytes | None) -> Pieces:
    if next(store.names(""), None) is not None:
        raise invalid("the place for the backup holds something else")
    number, cipher, sealed = secrets.token_hex(16), None, ""
    if secret is not None:
        cipher = _cipher(secret, number)
        nonce = os.urandom(NONCE)
        sealed = (nonce + cipher.encrypt(nonce, b"", HEADER.encode())).hex()
    header = msgspec.json.encode(Header(FORMAT, number, sealed))
    store.put(HEADER, header)
    return Pieces(store, cipher, header)


def _secret(key_file: str) -> bytes:
    try:
        secret = Path(key_file).read_bytes()
    except OSError as error:
        raise invalid(f"HEALIX_BACKUP_KEY_FILE cannot be read: {error.strerror}") from error
    if len(secret) < SHORTEST_KEY:
        raise invalid(f"HEALIX_BACKUP_KEY_FILE needs {SHORTEST_KEY} random bytes or more")
    return secret.strip()


def _cipher(secret: bytes, number: str) -> AESGCM:
    """The cipher of one folder of backups."""
    return AESGCM(HKDF(SHA256(), 32, bytes.fromhex(number), b"healix backup").derive(secret))
