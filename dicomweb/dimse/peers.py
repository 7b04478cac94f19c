"""The DIMSE peers that this server knows: their AE title, where they listen, and what they may ask for.

A caller that is no known peer has the rights that the setting `dimse_unknown_callers` gives: none by default.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ARRAY, Column, DateTime, Integer, Table, Text, func

from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.kernel.errors import invalid


class Right(StrEnum):
    """A service that a peer may use; one whose service is not there is not negotiated (contexts.py)."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    GET = "get"
    MOVE = "move"
    WORKLIST = "worklist"
    MPPS = "mpps"
    COMMIT = "commit"
    UPS = "ups"


ALL = frozenset(Right)

UNKNOWN_CALLER: dict[str, frozenset[Right]] = {
    "refuse": frozenset(),
    "store": frozenset({Right.ECHO, Right.STORE}),
    "all": ALL,
}
"""What each value of the setting `dimse_unknown_callers` allows; without any right the association is rejected."""

AE_TITLE = re.compile(r"[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")

dimse_peer = Table(
    "dimse_peer",
    metadata,
    Column("aet", Text(collation="C"), primary_key=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("rights", ARRAY(Text)),  # null: every service, also those that a later version adds
    Column("added", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="known DIMSE peers; see dicomweb/dimse/peers.py",
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A known peer."""

    aet: str
    host: str
    port: int
    rights: frozenset[Right] = ALL


def add(aet: str, host: str, port: int, rights: Collection[Right] | None = None) -> Work[Peer]:
    """Make `aet` known, or replace what is known of it; without `rights` it may use every service.

    Raises Invalid for what is no AE title, no host or no port. Spec: PS3.5 6.2, VR AE (2024d)
    """
    if not AE_TITLE.fullmatch(aet):
        raise invalid("an AE title has 1 to 16 printable ASCII characters without a backslash", code="value")
    if not host or any(letter.isspace() for letter in host):
        raise invalid("the host must be a name or an address", code="value")
    if not 0 < port < 65536:
        raise invalid("the port must be between 1 and 65535", code="value")
    rows = yield Statement(
        """INSERT INTO dimse_peer (aet, host, port, rights) VALUES (%s, %s, %s, %s)
           ON CONFLICT (aet) DO UPDATE SET host = excluded.host, port = excluded.port, rights = excluded.rights
           RETURNING aet, host, port, rights""",
        (aet, host, port, None if rights is None else sorted(right.value for right in rights)),
    )
    yield record([AuditRow(OPERATOR, "U", "peer", entity=aet, query=f"{host}:{port}")])
    return _peer(*rows[0])


def find(aet: str) -> Work[Peer | None]:
    """The peer of that AE title."""
    rows = yield Statement("SELECT aet, host, port, rights FROM dimse_peer WHERE aet = %s", (aet,))
    return _peer(*rows[0]) if rows else None


def known() -> Work[list[Peer]]:
    """Every peer, by AE title."""
    rows = yield Statement("SELECT aet, host, port, rights FROM dimse_peer ORDER BY aet")
    return [_peer(*row) for row in rows]


def _peer(aet: str, host: str, port: int, rights: list[str] | None) -> Peer:
    return Peer(aet, host, port, ALL if rights is None else frozenset(right for right in Right if right in rights))
