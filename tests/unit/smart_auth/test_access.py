"""The access predicate as a truth table of context, type and who asks."""

from __future__ import annotations

import msgspec
import pytest

from healix_fhir.kernel.database import Fragment, Row, Statement
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import EVERYTHING, NOTHING, AccessContext, internal
from smart_auth.person import Person
from smart_auth.scope import Permission, parse

READ, SEARCH, CREATE = Permission.READ, Permission.SEARCH, Permission.CREATE


def access(
    scope: str, *, pat: int | None = None, practitioner: str | None = None, person: Person | None = None
) -> AccessContext:
    """An access as a token of `scope` makes it."""
    patient = f"p{pat}" if pat else None
    return AccessContext(parse(scope), patient=patient, pat=pat, practitioner=practitioner, person=person)


def test_system_sees_every_row() -> None:
    """A system scope opens all rows of its type and of no other."""
    caller = access("system/Observation.rs")
    assert caller.predicate("Observation", READ, "r") == EVERYTHING
    assert caller.predicate("Condition", READ, "r") == NOTHING
    assert caller.predicate("Observation", CREATE, "r") == NOTHING


def test_patient_sees_one_compartment() -> None:
    """A patient scope opens the rows of one patient, as main or as further compartment."""
    predicate = access("patient/*.rs", pat=7).predicate("Observation", READ, "r")
    assert predicate.sql.startswith("(r.pat = %s OR r.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = %s")
    assert predicate.params == (7, 7)


def test_further_patients_of_types_that_have_some() -> None:
    """Further patients are looked for of types of which a resource has several, and of all where nobody has looked."""
    several = msgspec.structs.replace(access("patient/*.rs", pat=7), several=frozenset({"Appointment"}))
    assert several.predicate("Observation", READ, "r") == Fragment("r.pat = %s", (7,))
    assert several.predicate("Appointment", READ, "r").params == (7, 7)


def test_user_sees_relationships() -> None:
    """A user scope opens the patients with whom the practitioner has a relationship now."""
    predicate = access("user/*.rs", practitioner="dr").reach("Observation", READ, "r.pat")
    assert "care_relationship" in predicate.sql
    assert "v.ends > now()" in predicate.sql
    assert "v.starts <= now()" in predicate.sql
    assert predicate.params == ("dr",)


def test_contexts_add_up() -> None:
    """Two contexts open what either opens."""
    predicate = access("user/*.rs patient/*.rs", pat=7, practitioner="dr").reach("Observation", READ, "r.pat")
    assert " OR " in predicate.sql
    assert predicate.params == (7, "dr", "dr")


def test_one_patient_of_a_practitioner() -> None:
    """An app that a practitioner gave one patient sees that patient only while in the practitioner's care."""
    predicate = access("patient/*.rs", pat=7, practitioner="dr").reach("Observation", READ, "r.pat")
    assert predicate.sql.startswith("(r.pat = %s AND r.pat IN (SELECT v.pat FROM care_relationship v")
    assert predicate.params == (7, "dr")


MOTHER = Person(7, ("RelatedPerson/a", "RelatedPerson/b"))
GUARDIAN = Person(None, ("RelatedPerson/a",))
ACTING = "SELECT v.pat FROM care_relationship v WHERE v.practitioner IN (%s)"


@pytest.mark.parametrize(
    ("scope", "pat", "person", "begin", "params"),
    [
        ("patient/*.rs", 7, Person(7), "r.pat = %s", (7,)),
        ("user/*.rs", None, Person(7), "r.pat = %s", (7,)),
        ("patient/*.rs user/*.rs", 7, Person(7), "r.pat = %s", (7,)),
        ("patient/*.rs", 7, MOTHER, "r.pat = %s", (7,)),
        ("patient/*.rs", 8, GUARDIAN, f"(r.pat = %s AND r.pat IN ({ACTING}", (8, "RelatedPerson/a")),
        ("patient/*.rs", 8, MOTHER, "(r.pat = %s AND (r.pat = %s OR r.pat IN", (8, 7, *MOTHER.proxies)),
        ("user/*.rs", 8, MOTHER, "(r.pat = %s OR r.pat IN", (7, *MOTHER.proxies)),
        ("user/*.rs", None, GUARDIAN, f"r.pat IN ({ACTING}", ("RelatedPerson/a",)),
        ("patient/*.rs user/*.rs", 8, Person(), "FALSE", ()),
        ("patient/*.rs", 8, Person(7), "(r.pat = %s AND r.pat = %s)", (8, 7)),
    ],
)
def test_persons(scope: str, pat: int | None, person: Person, begin: str, params: tuple[object, ...]) -> None:
    """A patient's account opens its own record, and those of others only while it acts for them."""
    predicate = access(scope, pat=pat, person=person).reach("Observation", READ, "r.pat")
    assert predicate.sql.startswith(begin)
    assert predicate.params == params


@pytest.mark.parametrize("permission", [Permission.CREATE, Permission.UPDATE, Permission.DELETE])
@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds"])
def test_nobody_prolongs_their_own_part(scope: str, permission: Permission) -> None:
    """Who acts for a patient by a RelatedPerson may look at it, and not change it."""
    caller = access(scope, pat=8, person=GUARDIAN)
    assert caller.compartments("RelatedPerson", permission, "r.pat") == NOTHING
    assert "care_relationship" in caller.compartments("RelatedPerson", READ, "r.pat").sql
    own = access("user/*.cruds", person=MOTHER).reach("RelatedPerson", permission, "r.pat")
    assert (own.sql, own.params) == ("r.pat = %s", (7,))


@pytest.mark.parametrize(
    ("caller", "alone"),
    [
        (access("patient/*.rs", pat=7), True),
        (access("patient/*.rs", pat=7, person=Person(7)), True),
        (access("user/*.rs", person=Person(7)), False),
        (access("patient/*.rs", pat=7, person=MOTHER), False),
        (access("patient/*.rs", pat=8, person=Person(7)), False),
        (access("patient/*.rs", pat=7, practitioner="dr"), False),
    ],
)
def test_alone(caller: AccessContext, alone: bool) -> None:
    """Only a token whose user sees no other patient than its own is told of by that patient alone."""
    assert caller.alone is alone


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds"])
def test_context_without_a_subject_sees_nothing(scope: str) -> None:
    """A patient scope without a patient, or a user scope without a practitioner, opens no row."""
    assert access(scope).predicate("Observation", READ, "r") == NOTHING


@pytest.mark.parametrize("scope", ["patient/*.rs", "user/*.rs", "system/*.rs"])
def test_shared_types_are_open_to_their_scope(scope: str) -> None:
    """Types that describe no patient are open to each scope that names them."""
    assert access(scope, pat=7).predicate("Practitioner", READ, "r") == EVERYTHING
    assert access("patient/Observation.rs", pat=7).predicate("Practitioner", READ, "r") == NOTHING


@pytest.mark.parametrize("permission", [Permission.CREATE, Permission.UPDATE, Permission.DELETE])
@pytest.mark.parametrize(
    ("scope", "changes"), [("patient/*.cruds", NOTHING), ("user/*.cruds", NOTHING), ("system/*.cruds", EVERYTHING)]
)
def test_shared_types_are_changed_by_systems_only(scope: str, changes: Fragment, permission: Permission) -> None:
    """No patient's and no clinician's app may change directories, catalogues and definitions that all rely on."""
    caller = access(scope, pat=7)
    assert caller.compartments("StructureDefinition", permission, "r.pat") == changes


def test_require() -> None:
    """What no scope opens is Forbidden."""
    caller = access("patient/Observation.r", pat=7)
    caller.require("Observation", READ)
    assert caller.allows("Observation", READ)
    assert not caller.allows("Observation", SEARCH)
    with pytest.raises(HealixError) as caught:
        caller.require("Observation", SEARCH)
    assert caught.value.category is Category.FORBIDDEN


@pytest.mark.parametrize(("seen", "allowed"), [(2, True), (1, False), (0, False)])
def test_a_resource_must_fit_in_whole(seen: int, allowed: bool) -> None:
    """A resource may be written only when all of its compartments are open to the caller."""
    work = access("patient/*.cruds", pat=7).may_hold("Observation", CREATE, [7, 8])
    statement: Statement = next(work)
    assert statement.params == ([7, 8], 7)
    rows: list[Row] = [(seen,)]
    with pytest.raises(StopIteration) as stop:
        work.send(rows)
    assert stop.value.value is allowed


@pytest.mark.parametrize(
    ("scope", "patients", "allowed"),
    [("system/*.c", [], True), ("system/*.c", [1], True), ("patient/*.c", [], False), ("patient/*.r", [7], False)],
)
def test_writing_without_a_question(scope: str, patients: list[int], allowed: bool) -> None:
    """Without compartments only system scopes write; without the permission nobody does; neither asks the database."""
    with pytest.raises(StopIteration) as stop:
        next(access(scope, pat=7).may_hold("Observation", CREATE, patients))
    assert stop.value.value is allowed


def test_internal_access_is_named() -> None:
    """The server's own access sees all and is audited under its name."""
    caller = internal("imaging")
    assert caller.predicate("Patient", READ, "r") == EVERYTHING
    assert caller.origin.client == "imaging"
