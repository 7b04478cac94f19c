"""How sub-operations are counted, and what the responses say of them."""

from __future__ import annotations

import pytest

from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.identifier import parse
from dicomweb.dimse.suboperations import FAILED_SOP_INSTANCES, Outcome, RetrieveStatus, Suboperations, outcome
from tests.support.dimse import EXPLICIT, IMPLICIT

REQUEST: Command = {Element.CommandField: CommandField.C_MOVE_RQ, Element.MessageID: 3}
REMAINING, COMPLETED, FAILED, WARNING = (
    Element.NumberOfRemainingSuboperations,
    Element.NumberOfCompletedSuboperations,
    Element.NumberOfFailedSuboperations,
    Element.NumberOfWarningSuboperations,
)


def counted(total: int, *statuses: int) -> Suboperations:
    """The count after sub-operations ended so."""
    count = Suboperations(total)
    for number, status in enumerate(statuses):
        count.count(f"1.2.{number}", status)
    return count


@pytest.mark.spec("PS3.7 C.4 (2024d)")
@pytest.mark.parametrize(
    ("status", "counts"),
    [
        (0x0000, Outcome.COMPLETED),
        (0x0001, Outcome.WARNING),
        (0x0107, Outcome.WARNING),
        (0x0116, Outcome.WARNING),
        (0xB000, Outcome.WARNING),
        (0xB007, Outcome.WARNING),
        (0x0110, Outcome.FAILED),
        (0xA700, Outcome.FAILED),
        (0xC000, Outcome.FAILED),
        (0xFE00, Outcome.FAILED),
    ],
)
def test_what_a_status_counts_as(status: int, counts: Outcome) -> None:
    """Success, warnings and everything else are told apart by the status of the C-STORE."""
    assert outcome(status) is counts


@pytest.mark.spec("PS3.4 C.4.2.3.1 (2024d)")
@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        ((), RetrieveStatus.SUCCESS),
        ((0, 0), RetrieveStatus.SUCCESS),
        ((0, 0xB000), RetrieveStatus.WARNING),
        ((0, 0xA700), RetrieveStatus.WARNING),
        ((0xB000, 0xA700), RetrieveStatus.WARNING),
        ((0xA700, 0xC000), RetrieveStatus.CANNOT_SEND),
    ],
)
def test_the_last_status(statuses: tuple[int, ...], last: RetrieveStatus) -> None:
    """It is success only when nothing failed or had a warning, and a failure only when everything failed."""
    command = counted(len(statuses), *statuses).last(REQUEST)
    assert command[Element.Status] == last
    assert REMAINING not in command


@pytest.mark.spec("PS3.7 9.1.4.1 (2024d)")
def test_pending_and_cancelled_responses_tell_what_remains() -> None:
    """The counts of a pending response and of one that was cancelled add up to the whole."""
    count = counted(5, 0, 0xB000, 0xA700)
    for command, status in (
        (count.pending(REQUEST), RetrieveStatus.PENDING),
        (count.last(REQUEST, cancelled=True), RetrieveStatus.CANCELLED),
    ):
        assert command[Element.Status] == status
        assert [command[one] for one in (REMAINING, COMPLETED, FAILED, WARNING)] == [2, 1, 1, 1]


def test_a_cancel_that_comes_too_late() -> None:
    """When nothing remains the end is told as it was, though it was cancelled."""
    assert counted(1, 0).last(REQUEST, cancelled=True)[Element.Status] == RetrieveStatus.SUCCESS


@pytest.mark.spec("PS3.7 E.1 (2024d)")
def test_numbers_stay_within_their_element() -> None:
    """More sub-operations than an unsigned short holds are told as its largest."""
    assert Suboperations(70_000).pending(REQUEST)[REMAINING] == 0xFFFF


@pytest.mark.spec("PS3.4 C.4.2.1.4.2 (2024d)")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_list_of_failures(syntax: str) -> None:
    """It names those that failed, as many as its element has room for, and is absent when none did."""
    assert counted(1, 0).identifier(syntax) is None
    written = counted(3, 0xA700, 0, 0xC000).identifier(syntax)
    assert written is not None
    assert list(parse(written, syntax).members[FAILED_SOP_INSTANCES].values) == ["1.2.0", "1.2.2"]
    many = counted(20_000, *[0xA700] * 20_000).identifier(syntax)
    assert many is not None
    assert 5000 < len(parse(many, syntax).members[FAILED_SOP_INSTANCES].values) < 20_000
