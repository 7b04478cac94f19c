"""What is taken as a request about workitems, and how refusals of it are told."""

from __future__ import annotations

import pytest
from psycopg_pool import ConnectionPool

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dicomjson.reading import DataSet
from dicomweb.dimse.admission import OPENED, Caller
from dicomweb.dimse.command import Command, CommandField, Element
from dicomweb.dimse.peers import Right
from dicomweb.dimse.workitem import WorkitemService, check
from dicomweb.dimse.workitem_find import asked_for
from dicomweb.dimse.workitem_status import NotTakenError, ServiceStatus, status_of
from dicomweb.workitem.retrieve import selected
from dicomweb.workitem.status import Failure, RefusedError, Success
from healix_fhir.imaging.workitems import find_patient
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext
from tests.support.exchange import accepted, answered

PUSH, WATCH, PULL, QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in (1, 2, 3, 5))
CREATE, SET, GET, ACTION = (
    CommandField.N_CREATE_RQ, CommandField.N_SET_RQ, CommandField.N_GET_RQ, CommandField.N_ACTION_RQ,
)  # fmt: skip
UID = "1.2.3"
REFUSED = {
    (QUERY, GET, 0): 0x0211,
    (PUSH, SET, 0): 0x0211,
    (WATCH, CREATE, 0): 0x0211,
    (PUSH, ACTION, 1): 0x0123,
    (PULL, ACTION, 2): 0x0123,
    (WATCH, ACTION, 6): 0x0123,
    (WATCH, ACTION, None): 0x0123,
}
TAKEN = (
    (PUSH, CREATE, 0), (PUSH, GET, 0), (PUSH, ACTION, 2), (WATCH, GET, 0), (WATCH, ACTION, 2), (WATCH, ACTION, 3),
    (WATCH, ACTION, 4), (WATCH, ACTION, 5), (PULL, GET, 0), (PULL, SET, 0), (PULL, ACTION, 1),
)  # fmt: skip


def request(field: CommandField, action: int | None = 0, uid: str | None = UID, sop_class: str = PUSH) -> Command:
    """A command set, with the data set that it needs."""
    created = field is CREATE
    command: dict[int, int | str] = {
        Element.CommandField: field,
        Element.AffectedSOPClassUID if created else Element.RequestedSOPClassUID: sop_class,
        Element.CommandDataSetType: 0x0101 if field is GET else 1,
    }
    if uid is not None:
        command[Element.AffectedSOPInstanceUID if created else Element.RequestedSOPInstanceUID] = uid
    if field is ACTION and action is not None:
        command[Element.ActionTypeID] = action
    return command


def refusal(command: Command, context: str) -> int | None:
    """The status with which it is not taken."""
    try:
        check(command, accepted(context))
    except NotTakenError as error:
        return int(error.status)
    return None


@pytest.mark.spec("PS3.4 Tables CC.2-1 to CC.2-5")
@pytest.mark.parametrize(("case", "status"), [*((case, None) for case in TAKEN), *REFUSED.items()], ids=str)
def test_each_class_has_its_operations(case: tuple[str, CommandField, int | None], status: int | None) -> None:
    """What a class does not have is refused: an operation with 0211H, an action with 0123H."""
    context, field, action = case
    assert refusal(request(field, action), context) == status


@pytest.mark.spec("PS3.7 10.1")
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (request(SET, sop_class=PULL), 0x0118),
        (request(SET, sop_class="1.2.840.10008.3.1.2.3.3"), 0x0118),
        (request(SET, uid="1.02"), 0x0117),
        (request(SET, uid=None), 0x0117),
        ({**request(SET), Element.CommandDataSetType: 0x0101}, 0x0120),
        ({**request(GET), Element.CommandDataSetType: 1}, 0x0212),
        ({**request(ACTION, 1), Element.CommandDataSetType: 0x0101}, 0x0115),
    ],
    ids=["class of the context", "other class", "bad UID", "no UID", "nothing to set", "data with N-GET", "no state"],
)
def test_a_request_is_whole(command: Command, status: int) -> None:
    """It names the Push class and an item, and has the data set that it needs."""
    assert refusal(command, PULL) == status


@pytest.mark.parametrize(("uid", "status"), [(None, None), (UID, None), ("1.02", 0x0117)])
def test_who_creates_may_leave_the_uid_to_the_server(uid: str | None, status: int | None) -> None:
    """One that is given must be one."""
    assert refusal(request(CREATE, uid=uid), PUSH) == status


def test_a_request_for_cancellation_may_say_nothing_more() -> None:
    """All that it may tell is optional."""
    assert refusal({**request(ACTION, 2), Element.CommandDataSetType: 0x0101}, PUSH) is None


@pytest.mark.spec("PS3.7 Annex C")
@pytest.mark.parametrize(
    ("error", "field", "status"),
    [
        (RefusedError(Failure.WRONG_TRANSACTION, ""), SET, 0xC301),
        (NotTakenError(ServiceStatus.NO_SUCH_ACTION, ""), ACTION, 0x0123),
        (invalid("", code="value"), SET, 0x0106),
        (invalid("", code="value"), ACTION, 0x0115),
        (invalid("", code="not-supported"), ACTION, 0x0114),
        (invalid("", code="not-supported"), SET, 0x0106),
        (HealixError(Category.FORBIDDEN, ""), GET, 0x0124),
        (HealixError(Category.GONE, ""), GET, 0xC307),
        (HealixError(Category.NOT_FOUND, ""), ACTION, 0xC307),
        (HealixError(Category.TOO_LARGE, ""), CREATE, 0x0213),
        (HealixError(Category.UNAVAILABLE, ""), CREATE, 0x0213),
        (HealixError(Category.FAULT, ""), CREATE, 0x0110),
    ],
)
def test_a_refusal_is_told_by_its_status(error: HealixError, field: CommandField, status: int) -> None:
    """That of the worklist where it has one, else that of its kind."""
    assert status_of(error, field) == status


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize("field", [CREATE, SET, GET, ACTION])
def test_every_kind_of_refusal_is_a_failure(category: Category, field: CommandField) -> None:
    """None is taken for success or a warning."""
    assert status_of(HealixError(category, ""), field) not in (0, 1, 0x0107, 0x0116)


def test_without_a_database_the_peer_is_to_try_again() -> None:
    """0213H, and nothing of what failed inside."""
    audit: list[AuditRow] = []
    caller = Caller("CT1", frozenset(), AccessContext(OPENED[Right.UPS], Origin(client="CT1")))
    service = WorkitemService(caller, ConnectionPool(open=False), find_patient, audit.append)
    assert answered(service, request(GET), accepted(PULL), None).statuses == [0x0213]
    assert [(row.subtype, row.outcome, row.entity) for row in audit] == [("workitem-retrieve", 4, UID)]


STATE = {"vr": "CS", "Value": ["SCHEDULED"]}


@pytest.mark.spec("PS3.4 Table CC.2.7-1")
@pytest.mark.parametrize(
    ("tags", "found", "status"),
    [
        ([], {"00741000": STATE}, Success.DONE),
        (["00741000"], {"00741000": STATE}, Success.DONE),
        (["00102000", "00741000"], {"00102000": {"vr": "LO"}, "00741000": STATE}, Success.DONE),
        (["00081195", "00741000"], {"00741000": STATE}, Success.OPTIONAL_NOT_SUPPORTED),
        (["00080060", "00080060"], {}, Success.OPTIONAL_NOT_SUPPORTED),
    ],
)
def test_attributes_of_an_item_are_chosen(tags: list[str], found: DataSet, status: Success) -> None:
    """Those of its IOD without a value are empty; of those that it has not it is told."""
    assert selected({"00741000": STATE}, tags) == (found, status)


def sequence(*items: Members) -> Member:
    """A sequence."""
    return Member("SQ", list(items))


@pytest.mark.spec("PS3.4 CC.2.8")
@pytest.mark.parametrize(
    ("members", "keys", "unsupported"),
    [
        ({0x00080005: Member("CS", ["ISO_IR 100"]), 0x00100020: Member("LO", ["P1"])}, {"00100020": "P1"}, False),
        ({0x00741202: Member("LO")}, {"00741202": ""}, False),
        (
            {0x00404025: sequence({0x00080100: Member("SH", ["A"]), 0x00080102: Member("SH")})},
            {"00404025.00080100": "A", "00404025.00080102": ""},
            False,
        ),
        ({0x00081195: Member("UI", ["1.2"])}, {}, True),
        ({0x00091001: Member("LO", ["X"])}, {}, True),
        ({0x00404025: sequence({0x00091001: Member("LO", ["X"])})}, {}, True),
        (
            {0x00090011: Member("LO", ["ACME"]), 0x00091101: Member("LO", ["X"])},
            {"0009xx01[ACME]": "X"},
            False,
        ),
        ({0x7FE00010: Member("OW", octets=b"ab")}, {}, True),
        ({0x0040A160: Member("UT", ["text"])}, {}, True),
    ],
    ids=["value", "returned", "sequence", "the lock", "nobody's", "nobody's inside", "private", "binary", "long text"],
)
def test_keys_of_an_identifier(members: Members, keys: dict[str, str], unsupported: bool) -> None:
    """Each is matched and returned; what cannot be is told."""
    asked = asked_for(members)
    assert ({path.key: wanted for path, wanted in asked.keys}, asked.unsupported) == (keys, unsupported)
    assert {0x00080016, 0x00080018} <= set(asked.returned)


def test_a_key_has_one_item() -> None:
    """A sequence with several asks for nothing that has a meaning."""
    with pytest.raises(HealixError, match="more than one item") as refused:
        asked_for({0x00404025: sequence({}, {})})
    assert refused.value.category is Category.UNPROCESSABLE
