"""Nobody reads, changes or learns of what the token does not open."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.commit import commit, commit_each
from healix_fhir.store.history import Past, versions
from healix_fhir.store.read import patients_of, read, vread
from healix_fhir.store.stored import Change, Method, Stored
from smart_auth.access import AccessContext
from smart_auth.scope import Permission
from tests.support.fhir_server import SYSTEM, Pool, change, do, of_patient, put, rows, with_scope
from tests.support.resources import observation, organization, patient


def refusal(pool: Pool, work: Callable[[], Work[object]]) -> tuple[Category, str]:
    """How a use case is refused."""
    with pytest.raises(HealixError) as refused:
        do(pool, work)
    return refused.value.category, refused.value.message


@pytest.fixture
def ann(pool: Pool) -> AccessContext:
    """A caller bound to Patient/ann, where Observation/hers is hers and Observation/his is Patient/bob's."""
    put(pool, patient(), "ann")
    put(pool, patient(), "bob")
    put(pool, observation("Patient/ann"), "hers")
    put(pool, observation("Patient/bob"), "his")
    return of_patient(pool, "ann")


def test_a_patient_reads_its_own_record_only(pool: Pool, ann: AccessContext) -> None:
    """Her own is read; another's answers exactly like what does not exist."""
    assert do(pool, lambda: read(ann, "Observation", "hers")).id == "hers"
    unseen = refusal(pool, lambda: read(ann, "Observation", "his"))
    missing = refusal(pool, lambda: read(ann, "Observation", "none"))
    assert unseen == (Category.NOT_FOUND, "Observation/his does not exist")
    assert missing == (Category.NOT_FOUND, "Observation/none does not exist")


@pytest.mark.parametrize("method", ["vread", "history"])
def test_versions_of_another_record_are_not_there(pool: Pool, ann: AccessContext, method: str) -> None:
    """Versions and history follow the same rule as reads."""

    def work(id_: str) -> Work[object]:
        if method == "vread":
            return (yield from vread(ann, "Observation", id_, 1))
        yield from patients_of(ann, "Observation", id_)
        return (yield from versions(ann, Past(("Observation",), Permission.READ, id_), 9))

    do(pool, lambda: work("hers"))
    assert refusal(pool, lambda: work("his"))[0] is Category.NOT_FOUND
    assert refusal(pool, lambda: work("none"))[0] is Category.NOT_FOUND


def test_that_something_was_deleted_is_told_to_those_who_saw_it(pool: Pool, ann: AccessContext) -> None:
    """Gone for her own, not there for another's."""
    do(pool, lambda: commit(SYSTEM, [Change(Method.DELETE, "Observation", id_) for id_ in ("hers", "his")]))
    assert refusal(pool, lambda: read(ann, "Observation", "hers"))[0] is Category.GONE
    assert refusal(pool, lambda: read(ann, "Observation", "his"))[0] is Category.NOT_FOUND


def test_an_update_out_of_sight_is_refused_like_that_of_a_free_id(pool: Pool, ann: AccessContext) -> None:
    """The answer does not tell whether the id exists, with or without If-Match; nothing is changed."""
    before = rows(pool, "SELECT * FROM resource ORDER BY pk")
    answers = set()
    for id_ in ("his", "none"):
        for version in (None, 1, 2):
            asked = change(Method.PUT, observation("Patient/ann"), id_, version)
            category, message = refusal(pool, lambda asked=asked: commit(ann, [asked]))  # type: ignore[misc]
            answers.add((category, message.replace(id_, "ID")))
    assert answers == {(Category.FORBIDDEN, "the token does not allow an update of Observation/ID")}
    assert rows(pool, "SELECT * FROM resource ORDER BY pk") == before


def test_a_deletion_out_of_sight_is_answered_like_that_of_nothing(pool: Pool, ann: AccessContext) -> None:
    """Deleting another's resource does nothing and says so as if it were not there."""
    for id_ in ("his", "none"):
        (done,) = do(pool, lambda id_=id_: commit(ann, [Change(Method.DELETE, "Observation", id_)]))  # type: ignore[misc]
        assert (done.stored, done.changed) == (None, False)
        conditional = Change(Method.DELETE, "Observation", id_, if_match=1)
        category, _ = refusal(pool, lambda asked=conditional: commit(ann, [asked]))  # type: ignore[misc]
        assert category is Category.PRECONDITION_FAILED
    assert do(pool, lambda: read(SYSTEM, "Observation", "his")).version == 1


@pytest.mark.parametrize("method", [Method.POST, Method.PUT])
def test_nothing_is_put_into_another_record(pool: Pool, ann: AccessContext, method: Method) -> None:
    """Neither a new resource nor one of her own moves into another patient's compartment."""
    id_ = "hers" if method is Method.PUT else "new"
    asked = change(method, observation("Patient/bob"), id_)
    assert refusal(pool, lambda: commit(ann, [asked]))[0] is Category.FORBIDDEN
    assert do(pool, lambda: read(SYSTEM, "Observation", "hers")).version == 1
    assert rows(pool, "SELECT count(*) FROM resource WHERE id = 'new'") == [(0,)]


def test_what_is_refused_leaves_no_trace_of_a_patient(pool: Pool, ann: AccessContext) -> None:
    """A refused create costs as much for an unknown patient as for a known one, and gives it no key."""
    for id_ in ("bob", "nobody"):
        made = change(Method.POST, observation(f"Patient/{id_}"), f"x-{id_}")
        (done,) = do(pool, lambda made=made: commit_each([(ann, made)]))  # type: ignore[misc]
        assert isinstance(done, HealixError)
    assert rows(pool, "SELECT id FROM patient_key WHERE id = 'nobody'") == []


def test_nothing_is_shared_with_another_record(pool: Pool, ann: AccessContext) -> None:
    """A resource in two compartments needs both of them open."""
    both = {
        "resourceType": "Group", "type": "person", "actual": True,
        "member": [{"entity": {"reference": f"Patient/{id_}"}} for id_ in ("ann", "bob")],
    }  # fmt: skip
    assert refusal(pool, lambda: commit(ann, [change(Method.POST, both, "g")]))[0] is Category.FORBIDDEN


def test_a_patient_writes_in_its_own_record(pool: Pool, ann: AccessContext) -> None:
    """Create, update and delete work where the compartment is her own."""
    do(pool, lambda: commit(ann, [change(Method.POST, observation("Patient/ann"), "new")]))
    do(pool, lambda: commit(ann, [change(Method.PUT, observation("Patient/ann", status="amended"), "new", 1)]))
    (done,) = do(pool, lambda: commit(ann, [Change(Method.DELETE, "Observation", "new", if_match=2)]))
    assert done.stored is not None
    assert done.stored.version == 3


def test_a_resource_of_several_patients_is_seen_by_each(pool: Pool, ann: AccessContext) -> None:
    """The second patient of a resource sees it as the first does; a third does not."""
    both = {
        "resourceType": "Group", "type": "person", "actual": True,
        "member": [{"entity": {"reference": f"Patient/{id_}"}} for id_ in ("ann", "bob")],
    }  # fmt: skip
    put(pool, both, "g")
    for id_ in ("ann", "bob"):
        caller = of_patient(pool, id_)
        assert do(pool, lambda caller=caller: read(caller, "Group", "g")).id == "g"  # type: ignore[misc]
    third = of_patient(pool, "eve")
    assert refusal(pool, lambda: read(third, "Group", "g"))[0] is Category.NOT_FOUND


def test_the_past_of_a_moved_resource_stays_with_whom_it_was(pool: Pool, ann: AccessContext) -> None:
    """When a resource moves to her record she does not see what it said while it was another's."""
    put(pool, observation("Patient/ann"), "his")
    found = do(pool, lambda: versions(ann, Past(("Observation",), Permission.READ, "his"), 9))
    assert ([version.stored.version for version in found.page], found.total) == ([2], 1)
    assert refusal(pool, lambda: vread(ann, "Observation", "his", 1))[0] is Category.NOT_FOUND
    bob = of_patient(pool, "bob")
    assert refusal(pool, lambda: vread(bob, "Observation", "his", 1))[0] is Category.NOT_FOUND


def test_shared_types_are_open_to_every_context(pool: Pool, ann: AccessContext) -> None:
    """An organization belongs to no patient and is read with a patient's token."""
    put(pool, organization(), "o")
    assert do(pool, lambda: read(ann, "Organization", "o")).id == "o"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("system/Observation.r", "read"), ("system/Observation.c", "create"), ("system/Observation.u", "update"),
     ("system/Observation.d", "delete"), ("system/Patient.cruds", ""), ("system/Observation.s", "")],
)  # fmt: skip
def test_each_verb_needs_its_permission(pool: Pool, ann: AccessContext, scope: str, allowed: str) -> None:
    """A scope opens its own permissions on its own type, and no other."""
    caller = with_scope(scope)
    amended = observation("Patient/ann", status="amended")

    def reading() -> Work[Stored]:
        return (yield from read(caller, "Observation", "hers"))

    works: dict[str, Callable[[], Work[object]]] = {
        "read": reading,
        "create": lambda: commit(caller, [change(Method.POST, observation("Patient/ann"), "new")]),
        "update": lambda: commit(caller, [change(Method.PUT, amended, "hers")]),
        "delete": lambda: commit(caller, [Change(Method.DELETE, "Observation", "his")]),
    }
    for verb, work in works.items():
        if verb == allowed:
            do(pool, work)
        else:
            assert refusal(pool, work)[0] is Category.FORBIDDEN
