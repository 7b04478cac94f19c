"""Presentation contexts and the A-ASSOCIATE PDUs."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ

from dicomweb.dimse.associate import Reject, accept, decode, reject
from dicomweb.dimse.contexts import TRANSFER_SYNTAXES, negotiate
from dicomweb.dimse.pdu import ProtocolError
from dicomweb.dimse.peers import ALL, Right
from dicomweb.dimse.storage_classes import STORAGE_CLASSES
from tests.support.dimse import CT, EXPLICIT, IMPLICIT, VERIFICATION, proposal, request_body, role

JPEG_LOSSLESS, JPEG_BASELINE, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
BIG_ENDIAN, HTJ2K = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.201"


def answers(*proposals: bytes, rights: Collection[Right] = ALL, user: bytes = b"") -> A_ASSOCIATE_AC:
    """The acceptance as pynetdicom reads it."""
    request = decode(request_body(proposals, user=user))
    contexts, roles = negotiate(request, rights)
    read = A_ASSOCIATE_AC()
    read.decode(accept(request, contexts, roles, 131072))
    return read


def results(read: A_ASSOCIATE_AC) -> list[int | None]:
    """The result of each context, in order."""
    return [item.result for item in read.presentation_context]


@pytest.mark.spec("PS3.4 B.5 (2024d)")
def test_every_storage_class_is_known() -> None:
    """Every storage SOP class that pynetdicom knows is accepted here."""
    assert {str(context.abstract_syntax) for context in AllStoragePresentationContexts} <= STORAGE_CLASSES


@pytest.mark.spec("PS3.8 9.3.3.2 (2024d)")
@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_each_transfer_syntax_is_accepted_alone(syntax: str) -> None:
    """A context that offers one known transfer syntax is accepted with it."""
    read = answers(proposal(1, CT, [syntax]))
    assert results(read) == [0]
    assert read.presentation_context[0].transfer_syntax == syntax


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([IMPLICIT, EXPLICIT], EXPLICIT),
        ([BIG_ENDIAN, IMPLICIT], IMPLICIT),
        ([JPEG_BASELINE, JPEG_LOSSLESS], JPEG_LOSSLESS),
        ([JPEG_BASELINE, EXPLICIT], EXPLICIT),
        (["1.2.3.4", RLE], RLE),
        ([JPEG_LOSSLESS, HTJ2K], HTJ2K),
    ],
)
def test_the_server_prefers_uncompressed_then_lossless(offered: list[str], chosen: str) -> None:
    """Among several transfer syntaxes the choice never makes the peer throw information away."""
    assert answers(proposal(1, CT, offered)).presentation_context[0].transfer_syntax == chosen


def test_each_context_is_answered_by_its_own_merits() -> None:
    """Accepted, unknown class, unknown transfer syntaxes: each with its result and in the order proposed."""
    read = answers(
        proposal(1, VERIFICATION, [IMPLICIT]),
        proposal(3, "1.2.840.10008.5.1.4.1.2.2.1", [IMPLICIT]),
        proposal(5, CT, ["1.2.3.4"]),
    )
    assert [item.presentation_context_id for item in read.presentation_context] == [1, 3, 5]
    assert results(read) == [0, 3, 4]


def test_rights_decide_which_services_are_offered() -> None:
    """A peer that may only verify gets its storage contexts rejected by the user."""
    contexts = [proposal(1, VERIFICATION, [IMPLICIT]), proposal(3, CT, [IMPLICIT])]
    assert results(answers(*contexts, rights={Right.ECHO})) == [0, 1]


@pytest.mark.spec("PS3.7 D.3.3.4 (2024d)")
def test_the_peer_is_never_the_provider() -> None:
    """The SCP role is refused by name; a context whose peer proposes only that role is rejected."""
    both = answers(proposal(1, CT, [EXPLICIT]), user=role(CT, scu=1, scp=1))
    assert results(both) == [0]
    only = answers(proposal(1, CT, [EXPLICIT]), user=role(CT, scu=0, scp=1))
    assert results(only) == [1]
    for read, scu in ((both, 1), (only, 0)):
        assert read.user_information is not None
        (answer,) = read.user_information.role_selection.values()
        assert (answer.scu_role, answer.scp_role) == (scu, 0)


def test_acceptance_announces_length_and_implementation_and_no_window() -> None:
    """The acceptance names our longest PDU and implementation, and leaves out the asynchronous operations window."""
    read = answers(proposal(1, CT, [EXPLICIT]), user=b"\x53\x00\x00\x04\x00\x05\x00\x05")
    user = read.user_information
    assert user is not None
    assert user.maximum_length == 131072
    assert str(user.implementation_class_uid).startswith("2.25.")
    assert user.async_ops_window is None


def test_unknown_items_are_skipped() -> None:
    """Items that a later edition adds do not disturb."""
    user = b"\x7f\x00\x00\x03abc"
    assert results(answers(proposal(1, CT, [EXPLICIT]), user=user)) == [0]


@pytest.mark.spec("PS3.8 9.3.4 (2024d)")
@pytest.mark.parametrize("reason", Reject)
def test_rejections_read_back(reason: Reject) -> None:
    """A rejection carries result, source and reason of Table 9-21."""
    read = A_ASSOCIATE_RJ()
    read.decode(reject(reason))
    assert (read.result, read.source, read.reason_diagnostic) == reason.value


@pytest.mark.parametrize(
    "proposals",
    [
        [proposal(2, CT, [EXPLICIT])],
        [proposal(1, CT, [EXPLICIT]), proposal(1, CT, [EXPLICIT])],
        [proposal(1, CT, [])],
        [proposal(1, "1.2.03", [EXPLICIT])],
        [proposal(1, "1." * 40 + "1", [EXPLICIT])],
        [proposal(1, CT, ["../../x"])],
        [],
    ],
)
def test_broken_contexts_are_protocol_errors(proposals: list[bytes]) -> None:
    """Even or repeated identifiers, no transfer syntax and what is no UID end the association before it begins."""
    with pytest.raises(ProtocolError):
        decode(request_body(proposals))


@pytest.mark.parametrize(
    "user", [role(CT, scu=1, scp=0)[:-1] + b"", b"\x51\x00\x00\x02\x00\x00", b"\x51\x00\x00\x04\x00\x00\x00\x08"]
)
def test_broken_user_information_is_a_protocol_error(user: bytes) -> None:
    """Sub-items of a wrong length and a maximum length that holds no response are refused."""
    with pytest.raises(ProtocolError):
        decode(request_body([proposal(1, CT, [EXPLICIT])], user=user))
