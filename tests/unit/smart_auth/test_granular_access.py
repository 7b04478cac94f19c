"""How scopes with a query make conditions, and that whoever forgets about queries shows nothing by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from healix_fhir.kernel.database import Fragment
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import EVERYTHING, NOTHING, AccessContext
from smart_auth.queries import CLOSED, Conditions, check_queries
from smart_auth.scope import Permission, Query, parse

READ, CREATE = Permission.READ, Permission.CREATE


class Asked(msgspec.Struct, frozen=True):
    """Conditions that tell what they were asked."""

    def refusal(self, type_name: str, query: Query) -> HealixError | None:
        """Groups have no queries."""
        return HealixError(Category.INVALID, f"no {type_name}") if type_name == "Group" else None

    def of_row(self, type_name: str, query: Query, pk: str) -> Fragment:
        """The key and the first value."""
        return Fragment(f"holds({pk}, %s)", (query[0][1],))

    def of_resource(self, type_name: str, query: Query, id_: str, resource: Mapping[str, Any]) -> bool:
        """Whether the code is the first value."""
        return resource.get("code") == query[0][1]


def app(scope: str, conditions: Conditions | None = None) -> AccessContext:
    """The app of a clinician, with the patient 7."""
    return AccessContext(parse(scope), patient="p", pat=7, conditions=conditions or Asked())


@pytest.mark.parametrize(
    ("scope", "sql", "params"),
    [
        ("system/Observation.r?code=a", "holds(r.pk, %s)", ("a",)),
        (
            "system/Observation.r?code=a system/Observation.r?code=b",
            "(holds(r.pk, %s) OR holds(r.pk, %s))",
            ("a", "b"),
        ),
        (
            "patient/Observation.r?code=a",
            "(r.pat = %s OR r.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = %s)) AND holds(r.pk, %s)",
            (7, 7, "a"),
        ),
        ("system/Observation.r?code=a system/*.r", "TRUE", ()),
        ("system/Observation.s?code=a", "FALSE", ()),
        ("user/Observation.r?code=a", "FALSE", ()),
    ],
)
def test_predicate(scope: str, sql: str, params: tuple[object, ...]) -> None:
    """Rows of a context's patients of which one of the context's queries holds."""
    assert app(scope).predicate("Observation", READ, "r") == Fragment(sql, params)


@pytest.mark.parametrize(
    ("scope", "permission", "sql", "params"),
    [
        ("system/ImagingStudy.r?code=a", READ, "holds(s.study, %s)", ("a",)),
        ("patient/ImagingStudy.r?code=a", READ, "s.pat = %s AND holds(s.study, %s)", (7, "a")),
        (
            "patient/ImagingStudy.r system/ImagingStudy.r?code=a",
            READ,
            "(s.pat = %s OR holds(s.study, %s))",
            (7, "a"),
        ),
        ("system/ImagingStudy.r?code=a system/*.r", READ, "(s.pat IS NULL OR s.pat >= 0)", ()),
        ("system/ImagingStudy.c?code=a", CREATE, "FALSE", ()),
        ("patient/ImagingStudy.c system/ImagingStudy.c?code=a", CREATE, "s.pat = %s", (7,)),
    ],
)
def test_what_stands_for_a_resource(scope: str, permission: Permission, sql: str, params: tuple[object, ...]) -> None:
    """A query is asked of the resource that a row stands for; what it would become by a change cannot be asked."""
    assert app(scope).represented("ImagingStudy", permission, "s.pat", "s.study") == Fragment(sql, params)


def test_directories() -> None:
    """A query bounds what describes no patient too."""
    assert app("user/Practitioner.r?_id=a").predicate("Practitioner", READ, "r") == Fragment("holds(r.pk, %s)", ("a",))
    assert app("user/Practitioner.c?_id=a").predicate("Practitioner", CREATE, "r") == NOTHING


@pytest.mark.parametrize("scope", ["system/Observation.cr?code=a", "patient/Observation.cr?code=a"])
def test_patients_alone_open_nothing(scope: str) -> None:
    """Where only a row's patient is looked at, and where nothing reads queries, such a scope is as good as none."""
    access = app(scope)
    assert access.compartments("Observation", READ, "s.pat") == NOTHING
    assert access.allows("Observation", READ)
    assert app(scope, CLOSED).predicate("Observation", READ, "r") == NOTHING
    assert app(scope, CLOSED).compartments_of("Observation", CREATE, "n.pat", "o", {"code": "a"}) == NOTHING
    with pytest.raises(HealixError, match="without a query") as refusal:
        access.require_whole("Observation", READ, "DICOMweb")
    assert refusal.value.category is Category.FORBIDDEN
    app("patient/*.r").require_whole("Observation", READ, "DICOMweb")


@pytest.mark.parametrize(
    ("content", "opened"), [({"code": "a"}, EVERYTHING), ({"code": "b"}, Fragment("n.pat = %s", (7,))), ({}, NOTHING)]
)
def test_new_content_opens_contexts(content: dict[str, Any], opened: Fragment) -> None:
    """What is written is open in the contexts whose query holds of it."""
    access = app("system/Observation.c?code=a patient/Observation.c?code=b")
    assert access.compartments_of("Observation", CREATE, "n.pat", "o", content) == opened


@pytest.mark.parametrize(
    ("reached", "content", "shown"),
    [
        ([True, False, False], {"code": "a"}, True),
        ([False, True, False], {"code": "a"}, False),
        ([False, True, True], {"code": "b"}, True),
        ([True, True, True], {"code": "c"}, False),
        ([True, True, True], None, False),
    ],
)
def test_past_content(reached: list[bool], content: dict[str, Any] | None, shown: bool) -> None:
    """A version is shown in a context that reaches its patient and whose query held of it; a deletion in none."""
    access = app("patient/Observation.r?code=a system/Observation.r?code=b")
    assert access.shows("Observation", READ, reached, "o", content) is shown


@pytest.mark.parametrize(
    ("scope", "type_name", "depends"),
    [
        ("system/Observation.r?code=a", "Observation", True),
        ("system/Observation.r?code=a patient/*.r", "Observation", True),
        ("user/Observation.r?code=a system/*.r", "Observation", False),
        ("user/Practitioner.r?_id=a patient/*.r", "Practitioner", False),
        ("system/Observation.s?code=a", "Observation", False),
    ],
)
def test_where_queries_decide(scope: str, type_name: str, depends: bool) -> None:
    """Where everything is open anyway, a query decides nothing."""
    assert app(scope).bounded(type_name, READ) is depends


def test_queries_are_checked() -> None:
    """Scopes whose query cannot be are refused by name; where nothing reads queries, all of them are."""
    check_queries(parse("system/Observation.r?code=a system/Group.r"), Asked())
    for scope, conditions in (("system/Group.r?code=a", Asked()), ("system/Observation.r?code=a", CLOSED)):
        with pytest.raises(HealixError, match=r"code=a") as refusal:
            check_queries(parse(scope), conditions)
        assert refusal.value.category is Category.INVALID
