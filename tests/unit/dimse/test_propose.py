"""The requestor's half of A-ASSOCIATE, read back by the server's own decoder and by pynetdicom's."""

from __future__ import annotations

import struct

import pytest
from pynetdicom.pdu import A_ASSOCIATE_RQ

from dicomweb.dimse.associate import Reject, Roles, accept, decode, reject
from dicomweb.dimse.contexts import negotiate
from dicomweb.dimse.pdu import HEADER, ProtocolError
from dicomweb.dimse.peers import ALL, Right
from dicomweb.dimse.propose import MOST_CONTEXTS, acceptance, proposals, rejection, request
from tests.support.dimse import CT, EXPLICIT, IMPLICIT, VERIFICATION, item, pdu

OFFERED = proposals([(VERIFICATION, [IMPLICIT]), (CT, [EXPLICIT, IMPLICIT])])
ROLES = {CT: Roles(scu=False, scp=True)}
FIXED = struct.pack(">HH16s16s32x", 1, 0, b"THEM".ljust(16), b"US".ljust(16))


def accepted(context_id: int, *syntaxes: str, result: int = 0) -> bytes:
    """A presentation context item of an acceptance."""
    return item(0x21, bytes((context_id, 0, result, 0)) + b"".join(item(0x40, uid.encode()) for uid in syntaxes))


@pytest.mark.spec("PS3.8 9.3.2 (2024d)")
def test_requests_read_back() -> None:
    """Both decoders find titles, contexts, roles and the longest PDU as they were given."""
    sent = request("THEM", "US", OFFERED, ROLES, 4096)
    ours = decode(sent[HEADER.size :])
    assert (ours.called, ours.calling, ours.maximum) == ("THEM", "US", 4096)
    assert ours.proposals == OFFERED
    read = A_ASSOCIATE_RQ()
    read.decode(sent)
    assert (read.called_ae_title, read.calling_ae_title) == ("THEM", "US")
    assert [(one.context_id, one.abstract_syntax, one.transfer_syntax) for one in read.presentation_context] == [
        (1, VERIFICATION, [IMPLICIT]),
        (3, CT, [EXPLICIT, IMPLICIT]),
    ]
    assert read.user_information is not None
    assert read.user_information.maximum_length == 4096
    (role,) = read.user_information.role_selection.values()
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (CT, False, True)


@pytest.mark.spec("PS3.8 9.3.3 (2024d)")
def test_acceptances_are_read() -> None:
    """Accepted contexts have their abstract syntax and the chosen transfer syntax; others are not there."""
    asked = decode(request("HEALIX", "US", OFFERED, {}, 4096)[HEADER.size :])
    found = acceptance(accept(asked, negotiate(asked, {Right.STORE}), 8192)[HEADER.size :], OFFERED)
    assert found.maximum == 8192
    (context,) = found.contexts.values()
    assert (context.id, context.abstract_syntax, context.transfer_syntax) == (3, CT, EXPLICIT)


def test_refused_contexts_need_no_transfer_syntax() -> None:
    """Of a context that is not accepted nothing but the result is read, since nothing else has a meaning."""
    body = FIXED + accepted(1, IMPLICIT) + accepted(3, "", result=3)
    assert list(acceptance(body, OFFERED).contexts) == [1]


@pytest.mark.parametrize(
    "contexts",
    [
        accepted(5, IMPLICIT),
        accepted(1, EXPLICIT),
        accepted(3),
        accepted(3, EXPLICIT, IMPLICIT),
        item(0x21, b"\x01\x00"),
    ],
    ids=["never proposed", "another syntax", "no syntax", "two syntaxes", "too short"],
)
def test_answers_to_something_else_are_protocol_errors(contexts: bytes) -> None:
    """A context that was not proposed, or accepted otherwise than proposed, ends the association."""
    with pytest.raises(ProtocolError):
        acceptance(FIXED + contexts, OFFERED)


def test_half_an_acceptance_is_a_protocol_error() -> None:
    """An acceptance without its fixed fields is refused."""
    with pytest.raises(ProtocolError):
        acceptance(FIXED[:-1], OFFERED)


@pytest.mark.spec("PS3.8 9.3.4 (2024d)")
@pytest.mark.parametrize("reason", Reject)
def test_rejections_are_told(reason: Reject) -> None:
    """Each reason that this server itself gives is read with its permanence, and in words."""
    read = rejection(reject(reason)[HEADER.size :])
    assert read.transient is (reason in {Reject.TEMPORARY_CONGESTION, Reject.LOCAL_LIMIT_EXCEEDED})
    assert read.reason != "it gives no reason"


def test_reasons_that_are_reserved_are_none() -> None:
    """A reason that the standard does not name is told as none."""
    assert rejection(pdu(3, bytes((0, 1, 1, 9)))[HEADER.size :]).reason == "it gives no reason"


@pytest.mark.parametrize("count", [0, MOST_CONTEXTS + 1])
def test_an_association_has_a_bounded_number_of_contexts(count: int) -> None:
    """No context at all, and more than there are identifiers, are mistakes of the caller."""
    with pytest.raises(ValueError, match="presentation contexts"):
        proposals([(CT, [IMPLICIT])] * count)


def test_as_many_contexts_as_there_are_identifiers() -> None:
    """128 contexts have the odd identifiers from 1 to 255, and are read back."""
    most = proposals([(CT, [IMPLICIT])] * MOST_CONTEXTS)
    assert [one.id for one in most] == list(range(1, 256, 2))
    asked = decode(request("THEM", "US", most, {}, 0)[HEADER.size :])
    assert len(negotiate(asked, ALL).contexts) == MOST_CONTEXTS
