"""Presentation contexts and the A-ASSOCIATE PDUs."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from pynetdicom import AllStoragePresentationContexts
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ

from dicomweb.dimse import contexts
from dicomweb.dimse.associate import Reject, accept, decode, reject
from dicomweb.dimse.contexts import COMMITMENT, TRANSFER_SYNTAXES, negotiate, with_further
from dicomweb.dimse.pdu import ProtocolError
from dicomweb.dimse.peers import ALL, Right
from dicomweb.dimse.storage_classes import STORAGE_CLASSES
from healix_fhir.kernel.errors import HealixError
from tests.support.dimse import CT, EXPLICIT, IMPLICIT, VERIFICATION, extended, proposal, request_body, role

JPEG_LOSSLESS, JPEG_BASELINE, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
BIG_ENDIAN, HTJ2K = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.201"


def answers(*proposals: bytes, rights: Collection[Right] = ALL, user: bytes = b"") -> A_ASSOCIATE_AC:
    """The acceptance as pynetdicom reads it."""
    request = decode(request_body(proposals, user=user))
    read = A_ASSOCIATE_AC()
    read.decode(accept(request, negotiate(request, rights), 131072))
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
        proposal(3, "1.2.826.0.1.3680043.10.1714.99", [IMPLICIT]),
        proposal(5, CT, ["1.2.3.4"]),
    )
    assert [item.presentation_context_id for item in read.presentation_context] == [1, 3, 5]
    assert results(read) == [0, 3, 4]


def test_rights_decide_which_services_are_offered() -> None:
    """A peer that may only verify gets its storage contexts rejected by the user."""
    both = [proposal(1, VERIFICATION, [IMPLICIT]), proposal(3, CT, [IMPLICIT])]
    assert results(answers(*both, rights={Right.ECHO})) == [0, 1]


ROLES = [
    ("nothing proposed", None, {Right.STORE, Right.GET}, 0, None),
    ("both, both rights", (1, 1), {Right.STORE, Right.GET}, 0, (1, 1)),
    ("both, may store", (1, 1), {Right.STORE}, 0, (1, 0)),
    ("both, may get", (1, 1), {Right.GET}, 0, (0, 1)),
    ("provider, may get", (0, 1), {Right.GET}, 0, (0, 1)),
    ("provider, may store", (0, 1), {Right.STORE}, 1, (0, 0)),
    ("user, may get", (1, 0), {Right.GET}, 1, (0, 0)),
    ("neither", (0, 0), {Right.STORE, Right.GET}, 1, (0, 0)),
]


@pytest.mark.spec("PS3.7 D.3.3.4 (2024d)")
@pytest.mark.parametrize("case", ROLES, ids=[case[0] for case in ROLES])
def test_roles_of_storage(
    case: tuple[str, tuple[int, int] | None, Collection[Right], int, tuple[int, int] | None],
) -> None:
    """A peer may be the SCP of storage if it may get, the SCU if it may store; without a role a context is refused."""
    _, proposed, rights, result, answered = case
    user = role(CT, scu=proposed[0], scp=proposed[1]) if proposed else b""
    read = answers(proposal(1, CT, [EXPLICIT]), rights=rights, user=user)
    assert results(read) == [result]
    assert read.user_information is not None
    found = [(one.scu_role, one.scp_role) for one in read.user_information.role_selection.values()]
    assert found == [*filter(None, [answered])]


@pytest.mark.spec("PS3.4 J.3.3")
@pytest.mark.parametrize(
    ("proposed", "rights", "result", "agreed"),
    [
        ((0, 1), {Right.ECHO}, 0, (0, 1)),
        ((1, 1), {Right.ECHO}, 0, (0, 1)),
        ((1, 0), {Right.ECHO}, 1, (0, 0)),
        ((1, 1), {Right.COMMIT}, 0, (1, 1)),
    ],
)
def test_who_reports_commitment_is_its_scp(
    proposed: tuple[int, int], rights: Collection[Right], result: int, agreed: tuple[int, int]
) -> None:
    """Whoever may call may be SCP of storage commitment, to report; SCU of it who has the right."""
    user = role(COMMITMENT, scu=proposed[0], scp=proposed[1])
    read = answers(proposal(1, COMMITMENT, [IMPLICIT]), rights=rights, user=user)
    assert read.user_information is not None
    (answer,) = read.user_information.role_selection.values()
    assert (results(read), (answer.scu_role, answer.scp_role)) == ([result], agreed)


def test_only_storage_is_provided_by_the_requestor() -> None:
    """The SCP role of any other class is refused."""
    read = answers(proposal(1, VERIFICATION, [EXPLICIT]), user=role(VERIFICATION, scu=1, scp=1))
    assert read.user_information is not None
    (answer,) = read.user_information.role_selection.values()
    assert (results(read), answer.scu_role, answer.scp_role) == ([0], 1, 0)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([JPEG_LOSSLESS, EXPLICIT], JPEG_LOSSLESS), ([BIG_ENDIAN, IMPLICIT], IMPLICIT), ([BIG_ENDIAN], BIG_ENDIAN)],
)
def test_what_goes_out_goes_as_the_peer_prefers(offered: list[str], chosen: str) -> None:
    """Of a context in which the peer only receives, its first transfer syntax is taken that objects are written in."""
    read = answers(proposal(1, CT, offered), user=role(CT, scu=0, scp=1))
    assert read.presentation_context[0].transfer_syntax == chosen


@pytest.mark.spec("PS3.7 D.3.3.5 (2024d)")
@pytest.mark.parametrize(
    ("proposed", "agreed"), [(b"\1", b"\1"), (b"\0", b"\0"), (b"\1\1\1\1", b"\1\0\1"), (b"\7", b"\0"), (b"", b"")]
)
def test_extended_negotiation(monkeypatch: pytest.MonkeyPatch, proposed: bytes, agreed: bytes) -> None:
    """Each byte is answered with 1 where both sides can, and never with more bytes than were proposed."""
    monkeypatch.setattr(contexts, "EXTENDED", {CT: b"\1\0\1"})
    user = extended(CT, proposed) + extended(VERIFICATION, b"\1")
    read = answers(proposal(1, CT, [EXPLICIT]), proposal(3, VERIFICATION, [EXPLICIT]), user=user)
    assert extension(read) == {CT: agreed}


def extension(read: A_ASSOCIATE_AC) -> dict[str, bytes]:
    """The application information agreed on, by class."""
    assert read.user_information is not None
    found = read.user_information.ext_neg
    return {str(one.sop_class_uid): one.service_class_application_information or b"" for one in found}


def test_no_extended_negotiation_without_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a class that is not accepted nothing is agreed."""
    monkeypatch.setattr(contexts, "EXTENDED", {CT: b"\1"})
    read = answers(proposal(1, CT, [EXPLICIT]), rights={Right.ECHO}, user=extended(CT, b"\1"))
    assert read.user_information is not None
    assert not read.user_information.ext_neg


@pytest.mark.spec("PS3.7 D.3.3.3 (2024d)")
@pytest.mark.parametrize(("proposed", "window"), [(b"\x53\x00\x00\x04\x00\x05\x00\x05", (1, 1)), (b"", None)])
def test_acceptance_announces_length_implementation_and_window(proposed: bytes, window: tuple[int, int] | None) -> None:
    """The acceptance names our longest PDU and implementation, and one operation at a time to who asks for more."""
    read = answers(proposal(1, CT, [EXPLICIT]), user=proposed)
    user = read.user_information
    assert user is not None
    assert user.maximum_length == 131072
    assert str(user.implementation_class_uid).startswith("2.25.")
    found = user.async_ops_window
    assert window == (found and (found.max_operations_invoked, found.max_operations_performed))


@pytest.mark.spec("PS3.4 B.3.1 (2024d)")
def test_storage_is_said_to_keep_all() -> None:
    """Who asks for our level of storage hears: full, bit-preserving, no coercion; for classes of other services not."""
    proposals = proposal(1, CT, [EXPLICIT]), proposal(3, VERIFICATION, [EXPLICIT])
    user = extended(CT, b"\3\0\0\0\2\0") + extended(VERIFICATION, b"\3\0\0\0\2\0")
    assert extension(answers(*proposals, user=user)) == {CT: b"\2\0\3\0\0\0"}


PRIVATE = "1.2.826.0.1.3680043.9.7"


@pytest.mark.parametrize(("classes", "result"), [("", 3), ("1.2.3", 3), (f"1.2.3, {PRIVATE}", 0)])
def test_further_storage_classes(classes: str, result: int) -> None:
    """A private storage class is accepted by setting, for who may store; a peer may be its SCP for C-GET, too."""
    asked = decode(request_body([proposal(1, PRIVATE, [EXPLICIT])], user=role(PRIVATE, scu=1, scp=1)))
    (context,) = negotiate(asked, ALL, with_further(classes)).contexts
    assert context.result == result
    (context,) = negotiate(asked, {Right.ECHO}, with_further(classes)).contexts
    assert context.result == (result or 1)


def test_what_is_no_further_storage_class() -> None:
    """What is no UID is refused with the name of the setting; a class of another service stays of that service."""
    with pytest.raises(HealixError, match=r"HEALIX_DIMSE_STORAGE_CLASSES holds '1\.02'"):
        with_further("1.2.3,1.02")
    assert with_further(VERIFICATION)[VERIFICATION] is Right.ECHO


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
    "user",
    [
        role(CT, scu=1, scp=0)[:-1],
        b"\x54"
        + role(CT, scu=1, scp=0)[1:3]
        + bytes([role(CT, scu=1, scp=0)[3] + 1])
        + role(CT, scu=1, scp=0)[4:]
        + b"\0",
        b"\x56\x00\x00\x04\x00\x091.",
        b"\x51\x00\x00\x02\x00\x00",
        b"\x51\x00\x00\x04\x00\x00\x00\x08",
    ],
)
def test_broken_user_information_is_a_protocol_error(user: bytes) -> None:
    """Sub-items of a wrong length and a maximum length that holds no response are refused."""
    with pytest.raises(ProtocolError):
        decode(request_body([proposal(1, CT, [EXPLICIT])], user=user))
