"""Presentation contexts: which this server accepts, and in which transfer syntax.

Objects are kept as they come, so every transfer syntax that carries its own pixel data is welcome. Where a peer offers
several in one context, ours is the first of `TRANSFER_SYNTAXES`: the uncompressed ones, which every peer can send,
then the lossless ones, so that our choice never makes a peer throw information away.

Spec: PS3.8 9.3.2.2 and 9.3.3.2 (2024d), PS3.5 Annex A (2024d), PS3.7 D.3.3.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dicomweb.dimse import non_patient, query_retrieve
from dicomweb.dimse.associate import USUAL, Agreement, Context, ContextResult, Proposal, Request, Roles
from dicomweb.dimse.identifier import SYNTAXES
from dicomweb.dimse.peers import Right
from dicomweb.dimse.query_retrieve import FIND, GET, MOVE
from dicomweb.dimse.storage_classes import STORAGE_CLASSES
from dicomweb.dimse.ups import OPERATIONS, SEARCHED
from dicomweb.non_patient.models import BY_CLASS
from dicomweb.uid import is_uid
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import PREFIX

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
"""The Storage Commitment Push Model."""
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS, MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"
"""The Modality Performed Procedure Step, to its maker and to others."""

TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed Explicit VR Little Endian
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 (Lossless Only)
    "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 with RPCL Options (Lossless Only)
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 (Lossless Only)
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2 Multi-component (Lossless Only)
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, First-Order Prediction
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless (Process 14)
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.93",  # JPEG 2000 Part 2 Multi-component
    "1.2.840.10008.1.2.4.81",  # JPEG-LS Near-Lossless
    "1.2.840.10008.1.2.4.51",  # JPEG Extended (Process 2 and 4)
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline (Process 1)
    "1.2.840.10008.1.2.4.53",  # JPEG Spectral Selection (Process 6 and 8), retired
    "1.2.840.10008.1.2.4.55",  # JPEG Full Progression (Process 10 and 12), retired
    "1.2.840.10008.1.2.4.100",  # MPEG2 Main Profile / Main Level
    "1.2.840.10008.1.2.4.100.1",
    "1.2.840.10008.1.2.4.101",  # MPEG2 Main Profile / High Level
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 High Profile / Level 4.1
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103",  # MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D Video
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105",  # MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D Video
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106",  # MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265 Main Profile / Level 5.1
    "1.2.840.10008.1.2.4.108",  # HEVC/H.265 Main 10 Profile / Level 5.1
)
"""Accepted transfer syntaxes in order of preference; `.1` below a video syntax is its fragmentable form."""

PREFERENCE = {uid: rank for rank, uid in enumerate(TRANSFER_SYNTAXES)}

SERVICES: Mapping[str, Right] = {
    VERIFICATION: Right.ECHO,
    COMMITMENT: Right.COMMIT,
    **dict.fromkeys(STORAGE_CLASSES, Right.STORE),
    **dict.fromkeys(BY_CLASS, Right.STORE),
    **dict.fromkeys(non_patient.FIND, Right.FIND),
    **dict.fromkeys(non_patient.MOVE, Right.MOVE),
    **dict.fromkeys(non_patient.GET, Right.GET),
    **dict.fromkeys(FIND, Right.FIND),
    **dict.fromkeys(MOVE, Right.MOVE),
    MODALITY_WORKLIST: Right.WORKLIST,
    MPPS: Right.MPPS,
    MPPS_RETRIEVE: Right.MPPS,
    **dict.fromkeys(GET, Right.GET),
    **dict.fromkeys(OPERATIONS, Right.UPS),
}
"""The right that a peer needs for a SOP class."""


EXTENDED: Mapping[str, bytes] = {
    **query_retrieve.EXTENDED,
    **dict.fromkeys((MODALITY_WORKLIST, *SEARCHED, *non_patient.FIND), b"\1\1\1\0"),
}
"""What we can of the application information of each SOP class that has some; of the worklists, and of what is of no
patient, fuzzy names, not the adjustment to time zones. Spec: PS3.4 K.5.1 and CC.4 (2024d)
"""

STORAGE_INFORMATION = bytes((2, 0, 3, 0, 0, 0))
"""What we say of every storage class to who asks: all attributes are kept (level 2, full), to the bit, signatures
among them (level 3), and none is coerced. Spec: PS3.4 B.3.1 and B.4.1 (2024d)
"""

AWKWARD = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.98"})
"""Transfer syntaxes in which nothing is written that is stored in another one."""


def with_further(classes: str) -> Mapping[str, Right]:
    """`SERVICES` with the storage classes of the setting `dimse_storage_classes`. Raises Invalid for what is no UID."""
    further = [one for part in classes.split(",") if (one := part.strip())]
    for one in further:
        if not is_uid(one):
            raise invalid(f"{PREFIX}DIMSE_STORAGE_CLASSES holds '{one[:64]}', which is no UID")
    return {**dict.fromkeys(further, Right.STORE), **SERVICES}


def storage_classes(classes: str) -> frozenset[str]:
    """The SOP classes of what studies hold, those of the setting among them. Raises Invalid as `with_further`."""
    found = with_further(classes)
    return frozenset(uid for uid, right in found.items() if right is Right.STORE and uid not in BY_CLASS)


def negotiate(request: Request, rights: Collection[Right], services: Mapping[str, Right] = SERVICES) -> Agreement:
    """The answer to each proposed context, role selection and extended negotiation.

    The requestor may be the SCP of storage, which is what C-GET needs, and of storage commitment, to report what it was
    asked for. A context in which it has no role is refused. Spec: PS3.4 C.5.3 and J.3.3 (2024d)
    """
    storage = {uid for uid, needed in services.items() if needed is Right.STORE}
    roles = {uid: _roles(uid, uid in storage, proposed, rights) for uid, proposed in request.user.roles.items()}
    extended = {
        uid: _extended(uid, content) if uid in EXTENDED else STORAGE_INFORMATION
        for uid, content in request.user.extended.items()
        if uid in storage or uid in EXTENDED
    }
    contexts = [
        _answer(proposal, services.get(proposal.abstract_syntax), rights, roles, extended)
        for proposal in request.proposals
    ]
    taken = {one.abstract_syntax for one in contexts if one.result is ContextResult.ACCEPTANCE}
    return Agreement(contexts, roles, {uid: content for uid, content in extended.items() if uid in taken})


def _roles(uid: str, is_storage: bool, proposed: Roles, rights: Collection[Right]) -> Roles:
    """The roles that the requestor may have of those that it proposes for a class."""
    if is_storage:
        return Roles(scu=proposed.scu and Right.STORE in rights, scp=proposed.scp and Right.GET in rights)
    if uid == COMMITMENT:
        return Roles(scu=proposed.scu and Right.COMMIT in rights, scp=proposed.scp)
    return Roles(scu=proposed.scu, scp=False)


def _extended(uid: str, content: bytes) -> bytes:
    """What of the proposed application information we agree to; not more bytes than there are.

    Spec: PS3.4 C.5.1.1 and C.5.2.1 (2024d)
    """
    return bytes(ours & (theirs == 1) for ours, theirs in zip(EXTENDED[uid], content, strict=False))


def _answer(
    proposal: Proposal,
    needed: Right | None,
    rights: Collection[Right],
    roles: Mapping[str, Roles],
    extended: Mapping[str, bytes],
) -> Context:
    uid = proposal.abstract_syntax
    is_plain = needed is Right.STORE or needed is Right.ECHO
    offered = [syntax for syntax in proposal.transfer_syntaxes if syntax in (PREFERENCE if is_plain else SYNTAXES)]
    role = roles.get(uid, USUAL)
    if needed is None:
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
    elif not (role.scp or (role.scu and needed in rights)):
        result = ContextResult.USER_REJECTION
    elif not offered:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    else:
        result = ContextResult.ACCEPTANCE
    chosen = _chosen(offered, role) if offered else proposal.transfer_syntaxes[0]
    return Context(proposal.id, result, uid, chosen, role, extended.get(uid, b""))


def _chosen(offered: Sequence[str], role: Roles) -> str:
    """Our preference for what comes; for what goes only out the peer's, as far as we can write it."""
    if role.scu:
        return min(offered, key=PREFERENCE.__getitem__)
    return min(offered, key=AWKWARD.__contains__)
