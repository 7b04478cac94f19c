"""The DIMSE peers that this server knows: their AE title, where they listen, what they may ask for, and how they come.

A caller that is no known peer has the rights that the setting `dimse_unknown_callers` gives: none by default. An AE
title is a name that anybody may say. What makes it more are the networks that a peer is bound to, and TLS with
certificates of both sides.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, Table, Text, false, func, text

from healix_fhir.kernel.audit import OPERATOR, AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.kernel.errors import HealixError, invalid, not_found


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
MOST_NETWORKS = 50

Network: TypeAlias = IPv4Network | IPv6Network

dimse_peer = Table(
    "dimse_peer",
    metadata,
    Column("aet", Text(collation="C"), primary_key=True),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("rights", ARRAY(Text)),  # null: every service, also those that a later version adds
    Column("added", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # empty: from anywhere
    Column("tls", Boolean, nullable=False, server_default=false()),
    Column("associations", Integer),  # null: as many as one address may have
    comment="known DIMSE peers; see dicomweb/dimse/peers.py",
)
COLUMNS = "aet, host, port, rights, networks, tls, associations"


@dataclass(frozen=True, slots=True)
class Peer:
    """A known peer.

    It may call from `networks`, from anywhere where there are none, and have `associations` at once. With `tls` it is
    spoken with over TLS only: it must call on the port for TLS, and is called with TLS.
    """

    aet: str
    host: str
    port: int
    rights: frozenset[Right] = ALL
    networks: tuple[Network, ...] = ()
    tls: bool = False
    associations: int | None = None

    def calls_from(self, address: str) -> bool:
        """Whether it may call from this address."""
        return not self.networks or any(ip_address(address) in network for network in self.networks)


def add(
    aet: str,
    host: str,
    port: int,
    rights: Collection[Right] | None = None,
    *,
    networks: Collection[str] = (),
    tls: bool = False,
    associations: int | None = None,
    origin: Origin = OPERATOR,
) -> Work[Peer]:
    """Make `aet` known, or replace what is known of it; without `rights` it may use every service.

    Raises Invalid for what is no AE title, no host, no port or no network. Spec: PS3.5 6.2, VR AE (2024d)
    """
    if not AE_TITLE.fullmatch(aet):
        raise invalid("an AE title has 1 to 16 printable ASCII characters without a backslash", code="value")
    if not host or any(letter.isspace() for letter in host):
        raise invalid("the host must be a name or an address", code="value")
    if not 0 < port < 65536:
        raise invalid("the port must be between 1 and 65535", code="value")
    if associations is not None and not 0 < associations < 10_000:
        raise invalid("a peer has between 1 and 9999 associations at once", code="value")
    bound = _networks(networks)
    rows = yield Statement(
        f"""INSERT INTO dimse_peer ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (aet) DO UPDATE SET host = excluded.host, port = excluded.port, rights = excluded.rights,
              networks = excluded.networks, tls = excluded.tls, associations = excluded.associations
            RETURNING {COLUMNS}""",
        (
            aet,
            host,
            port,
            None if rights is None else sorted(right.value for right in rights),
            list(map(str, bound)),
            tls,
            associations,
        ),
    )
    peer = _peer(*rows[0])
    yield record([AuditRow(origin, "U", "peer", entity=aet, query=_said(peer))])
    return peer


def remove(aet: str, origin: Origin = OPERATOR) -> Work[None]:
    """Forget a peer; its associations end as they would. Raises NotFound."""
    rows = yield Statement("DELETE FROM dimse_peer WHERE aet = %s RETURNING aet", (aet,))
    if not rows:
        raise unknown(aet)
    yield record([AuditRow(origin, "D", "peer", entity=aet)])


def find(aet: str) -> Work[Peer | None]:
    """The peer of that AE title."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM dimse_peer WHERE aet = %s", (aet,))
    return _peer(*rows[0]) if rows else None


def known() -> Work[list[Peer]]:
    """Every peer, by AE title."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM dimse_peer ORDER BY aet")
    return [_peer(*row) for row in rows]


def unknown(aet: str) -> HealixError:
    """That there is no such peer."""
    return not_found(f"there is no peer {aet[:16]}")


def _networks(texts: Collection[str]) -> list[Network]:
    if len(texts) > MOST_NETWORKS:
        raise invalid(f"a peer has at most {MOST_NETWORKS} networks", code="value")
    networks: list[Network] = []
    for one in texts:
        try:
            networks.append(ip_network(one.strip()))
        except ValueError as error:
            message = f"'{one[:64]}' is no address and no network such as 10.1.2.0/24"
            raise invalid(message, code="value") from error
    return networks


def _said(peer: Peer) -> str:
    """A peer in the words of the audit trail."""
    said = [f"{peer.host}:{peer.port}", "every service" if peer.rights == ALL else ",".join(sorted(peer.rights))]
    said += [f"from {network}" for network in peer.networks] + ["TLS"] * peer.tls
    return " ".join(said if peer.associations is None else [*said, f"{peer.associations} associations"])


def _peer(
    aet: str,
    host: str,
    port: int,
    rights: list[str] | None,
    networks: list[str],
    tls: bool,
    associations: int | None,
) -> Peer:
    allowed = ALL if rights is None else frozenset(right for right in Right if right in rights)
    return Peer(aet, host, port, allowed, tuple(map(ip_network, networks)), tls, associations)
