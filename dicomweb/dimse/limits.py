"""What a peer may cost: sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one DIMSE process. Memory for peers is at most `waiting_bytes` + `associations` x `pdu`."""

    associations: int = 64
    """Associations served at once; further ones are rejected as transient."""
    per_address: int = 48
    """Associations from one network address."""
    waiting: int = 512
    """Connections that have not sent their A-ASSOCIATE-RQ; the oldest is closed for a new one."""
    waiting_bytes: int = 16 << 20
    """What those connections may have sent together."""
    request: int = 256 << 10
    """Longest A-ASSOCIATE-RQ; 128 presentation contexts with 20 transfer syntaxes each take 100 kB."""
    pdu: int = 128 << 10
    """Longest P-DATA-TF body, announced to the peer."""
    data_set: int = 16 << 30
    """Longest data set that is read at all, stored or refused."""
    matches: int = 100_000
    """Matches that one C-FIND returns; where there are more it ends with A700H."""
    instances: int = 100_000
    """Instances that one C-MOVE or C-GET sends; where there are more it is refused with A701H."""
    artim: float = 10
    """Time for the whole A-ASSOCIATE-RQ, and for a peer to hang up after an A-ABORT, A-RELEASE-RP or rejection."""
    progress: float = 30
    """Time for a PDU that has begun, and for the next PDU of a message."""
    idle: float = 120
    """Time between two messages of an association."""
    total: float = 12 * 3600
    """Time after which an association is not served any more, however busy it is: it ends before its next message."""
    drain: float = 10
    """Time that messages under way have to end when the server stops."""
