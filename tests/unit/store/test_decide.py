"""What becomes of a change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.body import stamp
from healix_fhir.store.decide import New, Same, decide
from healix_fhir.store.lock import Old
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext, internal
from smart_auth.scope import parse

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
SYSTEM = internal("test")
RESOURCE = {"resourceType": "Basic", "code": {"text": "x"}}


def old(version: int = 3, *, deleted: bool = False, updated: datetime = MOMENT) -> Old:
    """A current version with the body of RESOURCE."""
    return Old(1, version, updated, deleted, b"" if deleted else stamp(RESOURCE, "Basic", "a", version, updated), ())


def put(text: str = "y", if_match: int | None = None) -> Change:
    """An update."""
    return Change(Method.PUT, "Basic", "a", {"resourceType": "Basic", "code": {"text": text}}, if_match=if_match)


def delete(if_match: int | None = None) -> Change:
    """A deletion."""
    return Change(Method.DELETE, "Basic", "a", if_match=if_match)


def test_an_update_makes_the_next_version() -> None:
    """Version numbers go up by one."""
    found = decide(SYSTEM, put(), old(), MOMENT + timedelta(seconds=1))
    assert isinstance(found, New)
    assert (found.stored.version, found.created) == (4, False)


def test_an_equal_body_makes_none() -> None:
    """An update that changes nothing adds no version."""
    before = old()
    assert decide(SYSTEM, put("x"), before, MOMENT) == Same(before)


def test_an_update_of_what_was_deleted_brings_it_back() -> None:
    """The next version counts on from the deletion, also with the body it had."""
    found = decide(SYSTEM, put("x"), old(deleted=True), MOMENT)
    assert isinstance(found, New)
    assert (found.stored.version, found.created) == (4, True)


@pytest.mark.parametrize("asked", [put(if_match=2), delete(if_match=2)])
@pytest.mark.parametrize("current", [old(), None])
def test_another_version_than_if_match_names_is_refused(asked: Change, current: Old | None) -> None:
    """If-Match holds for what is there and for what is not."""
    found = decide(SYSTEM, asked, current, MOMENT)
    assert isinstance(found, HealixError)
    assert found.category is Category.PRECONDITION_FAILED


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_what_must_be_absent_is_refused_where_it_is_there() -> None:
    """A change that may only create is refused as it asks to be; what was deleted is absent."""
    asked = msgspec.structs.replace(put(), if_absent=Category.CONFLICT)
    found = decide(SYSTEM, asked, old(), MOMENT)
    assert isinstance(found, HealixError)
    assert found.category is Category.CONFLICT
    for current in (None, old(deleted=True)):
        assert isinstance(decide(SYSTEM, asked, current, MOMENT), New)


def test_if_match_of_the_current_version_passes() -> None:
    """The version that If-Match names may be changed."""
    assert isinstance(decide(SYSTEM, put(if_match=3), old(), MOMENT), New)
    assert isinstance(decide(SYSTEM, delete(if_match=3), old(), MOMENT), New)


def test_deleting_twice_makes_no_version() -> None:
    """A deletion is idempotent, also of what never was."""
    assert decide(SYSTEM, delete(), None, MOMENT) == Same(None)
    before = old(deleted=True)
    assert decide(SYSTEM, delete(), before, MOMENT) == Same(before)


def test_time_goes_forward() -> None:
    """A version is later than the one before, also when another node's clock was ahead."""
    found = decide(SYSTEM, put(), old(updated=MOMENT + timedelta(hours=1)), MOMENT)
    assert isinstance(found, New)
    assert found.stored.updated > MOMENT + timedelta(hours=1)


def test_who_sees_a_part_only_may_not_choose_ids() -> None:
    """For a caller bound to patients an unknown id is refused, as one out of its sight is."""
    bound = AccessContext(parse("patient/*.cruds"), patient="p", pat=1)
    found = decide(bound, put(), None, MOMENT)
    assert isinstance(found, HealixError)
    assert found.category is Category.FORBIDDEN
    assert isinstance(decide(SYSTEM, put(), None, MOMENT), New)


ANN = {"resourceType": "Patient", "id": "a", "identifier": [{"value": "1"}], "active": True}
OTHER = {"other": {"reference": "Patient/b"}, "type": "replaced-by"}


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds", "system/Patient.u?active=true"])
@pytest.mark.parametrize(
    ("changed", "deleted", "allowed"),
    [
        ({"identifier": [{"value": "1"}, {"value": "2"}]}, False, False),
        ({"identifier": [{"value": "2"}]}, False, False),
        ({"identifier": [{"value": "1", "system": "urn:x"}]}, False, False),
        ({"identifier": []}, False, False),
        ({"link": [OTHER]}, False, False),
        ({}, True, False),
        ({"active": False, "birthDate": "1970-01-01"}, False, True),
    ],
)
def test_who_sees_a_part_only_does_not_say_who_is_who(
    scope: str, changed: dict[str, Any], deleted: bool, allowed: bool
) -> None:
    """Identifiers and links of a Patient stay as they are, but for who sees all; the rest may be changed."""
    resource = {name: value for name, value in (ANN | changed).items() if value != []}
    body = b"" if deleted else stamp(ANN, "Patient", "a", 1, MOMENT)
    for method in (Method.PUT, Method.PATCH):
        asked, before = Change(method, "Patient", "a", resource), Old(1, 1, MOMENT, deleted, body, ())
        bound = AccessContext(parse(scope), patient="a", pat=1, practitioner="d")
        found = decide(bound, asked, before, MOMENT)
        assert isinstance(found, New) is allowed
        if isinstance(found, HealixError):
            assert found.category is Category.FORBIDDEN
        assert isinstance(decide(SYSTEM, asked, before, MOMENT), New)
