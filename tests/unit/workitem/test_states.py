"""The state machine of workitems, against PS3.4 Table CC.1.1-2 written out anew."""

from __future__ import annotations

import pytest

from dicomweb.workitem.states import State, change, state_of
from dicomweb.workitem.status import Failure, RefusedError, Success
from healix_fhir.kernel.errors import Category, HealixError

CLAIM = "1.2.3"
TABLE = """
IN PROGRESS right | IN PROGRESS | C302        | C300      | C300
IN PROGRESS wrong | -           | C301        | C301      | C301
SCHEDULED right   | C303        | C303        | C303      | C303
COMPLETED right   | C310        | COMPLETED   | B306      | C300
COMPLETED wrong   | -           | C301        | C301      | C301
CANCELED right    | C310        | CANCELED    | C300      | B304
CANCELED wrong    | -           | C301        | C301      | C301
"""
"""What is asked, and with the right Transaction UID or a wrong one; the columns are the states in their order."""

ROWS = [
    (State(row.rpartition(" ")[0]), row.rpartition(" ")[2], present, cell.strip())
    for line in TABLE.strip().splitlines()
    for row, *cells in [[part.strip() for part in line.split("|")]]
    for present, cell in zip((State.SCHEDULED, State.IN_PROGRESS, State.COMPLETED, State.CANCELED), cells, strict=True)
    if cell.strip() != "-"
]


def outcome(asked: State, present: State, given: str, recorded: str | None) -> str:
    """How the table names what `change` does."""
    try:
        found = change(asked, present, given, recorded)
    except RefusedError as error:
        return f"{error.status:04X}"
    return found.value if isinstance(found, State) else f"{found:04X}"


@pytest.mark.spec("PS3.4 CC.1.1")
@pytest.mark.parametrize(("asked", "which", "present", "expected"), ROWS)
def test_each_request_does_in_each_state_what_the_table_says(
    asked: State, which: str, present: State, expected: str
) -> None:
    """Every cell of the table, with the right Transaction UID and with a wrong one."""
    recorded = None if present is State.SCHEDULED else CLAIM
    given = CLAIM if which == "right" else "1.2.4"
    assert outcome(asked, present, given, recorded) == expected


@pytest.mark.spec("PS3.4 CC.2.1")
@pytest.mark.parametrize("asked", [State.IN_PROGRESS, State.COMPLETED, State.CANCELED])
@pytest.mark.parametrize("present", State)
def test_a_request_without_a_transaction_uid_is_refused(asked: State, present: State) -> None:
    """Whatever the state, the Transaction UID is required, and its absence is told by the standard's words."""
    with pytest.raises(RefusedError) as refused:
        change(asked, present, "", None)
    assert refused.value.status is Failure.WRONG_TRANSACTION
    assert refused.value.warning == "The Transaction UID is missing."
    assert refused.value.category is Category.INVALID


def test_an_item_that_was_canceled_unclaimed_has_no_lock() -> None:
    """Whoever asks for it to be canceled again is told that it is."""
    assert change(State.CANCELED, State.CANCELED, CLAIM, None) is Success.ALREADY_CANCELED


@pytest.mark.parametrize("text", ["", "DONE", None, 3, "in progress"])
def test_an_unknown_state_is_refused(text: object) -> None:
    """Only the four states of the standard are known."""
    with pytest.raises(HealixError, match="ProcedureStepState must be one of"):
        state_of(text)


@pytest.mark.spec("PS3.18 11.7.1")
def test_both_spellings_of_canceled_are_understood() -> None:
    """PS3.18 once wrote CANCELLED."""
    assert state_of("CANCELLED") is state_of("CANCELED") is State.CANCELED
