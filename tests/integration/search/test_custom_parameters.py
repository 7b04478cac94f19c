"""Parameters that SearchParameter resources define: when they count, and that all of a search works with them."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model import custom
from healix_fhir.operation.reindex import renew
from healix_fhir.search.reindex import batch
from healix_fhir.store import reindexing, settling
from healix_fhir.store.commit import commit, commit_each
from healix_fhir.store.custom_parameters import LOCK
from healix_fhir.store.stored import Method
from tests.support.parameters import define, index, know, search_parameter
from tests.support.resources import UCUM, observation, organization, patient
from tests.support.search import BASE, EVERYONE, Clinic

EYES = "http://example.org/eyes"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "WHILE", 0.0)
    monkeypatch.setattr("healix_fhir.search.reindex.PAUSE", 0.01)


def eyes(colour: str, **elements: Any) -> dict[str, Any]:
    """A patient with eyes of a colour."""
    return patient(extension=[{"url": EYES, "valueCode": colour}], **elements)


def eye_colour(**elements: Any) -> dict[str, Any]:
    """The parameter that finds patients by it."""
    return search_parameter("eye-colour", "token", f"Patient.extension('{EYES}').value", "Patient") | elements


def pending(clinic: Clinic, address: str) -> list[str]:
    """What a lenient search says beside its matches."""
    return [issue.message for issue in clinic.page(address).ignored]


@pytest.mark.spec("FHIR R4 searchparameter.html")
def test_a_parameter_counts_once_all_resources_are_indexed_by_it(clinic: Clinic) -> None:
    """Until then a search says so, and under strict handling is refused; what is written meanwhile is indexed."""
    clinic.put(eyes("brown", id="before"), eyes("blue", id="other"))
    define(clinic, eye_colour())
    clinic.put(eyes("brown", id="after"))
    for address in ("Patient?eye-colour=brown", "Patient?eye-colour:missing=true", "Patient?_sort=eye-colour"):
        assert "'eye-colour' of Patient is defined, but not yet indexed" in pending(clinic, address)[0]
        with pytest.raises(HealixError, match="not yet indexed") as refused:
            clinic.page(address, strict=True)
        assert refused.value.category is Category.INVALID
    index(clinic)
    assert clinic.page("Patient?eye-colour=brown", strict=True).ignored == ()
    assert clinic.ids("Patient?eye-colour=brown") == ["after", "before"]


def test_resources_of_other_types_are_left_alone(clinic: Clinic) -> None:
    """A run for a parameter takes the resources of its types only."""
    clinic.put(eyes("brown", id="p"), organization(id="o"), observation("Patient/p", id="x"))
    define(clinic, eye_colour())
    index(clinic)
    assert clinic.run("SELECT state, done, total FROM reindexing WHERE types IS NOT NULL") == [("finished", 1, 1)]


def test_contained_resources_are_indexed_by_them_too(clinic: Clinic) -> None:
    """With what contains them, of whatever type that is."""
    inner = {"resourceType": "Patient", "id": "inner", "extension": [{"url": EYES, "valueCode": "brown"}]}
    clinic.put(observation("#inner", id="x", contained=[inner]), observation(id="y"))
    define(clinic, eye_colour())
    index(clinic)
    assert clinic.ids("Patient?eye-colour=brown&_contained=true") == ["x"]
    assert clinic.run("SELECT done, total FROM reindexing WHERE types IS NOT NULL") == [(1, 1)]


@pytest.mark.parametrize("end", ["delete", "retire"])
def test_a_parameter_that_is_gone_is_gone_at_once(clinic: Clinic, end: str) -> None:
    """And a search for everything that is referred to does not follow what is left of it."""
    clinic.put(organization(id="o"), patient(id="p", extension=[{"url": EYES, "valueReference": {
        "reference": "Organization/o"}}]))  # fmt: skip
    made = search_parameter("seen-at", "reference", f"Patient.extension('{EYES}').value", "Patient")
    define(clinic, made)
    index(clinic)
    everything = "Patient?_include=*"
    assert [hit.id for hit in clinic.page(everything).entries] == ["p", "o"]
    if end == "delete":
        clinic.delete("SearchParameter", "seen-at")
        know(clinic)
    else:
        define(clinic, made | {"status": "retired"})
    assert "no search parameter 'seen-at'" in pending(clinic, "Patient?seen-at=o")[0]
    assert [hit.id for hit in clinic.page(everything).entries] == ["p"]


def test_a_changed_expression_means_indexing_anew(clinic: Clinic) -> None:
    """A changed description does not."""
    clinic.put(eyes("brown", id="p", gender="male"))
    define(clinic, eye_colour())
    index(clinic)
    define(clinic, eye_colour(description="Said otherwise."))
    assert clinic.ids("Patient?eye-colour=brown") == ["p"]
    define(clinic, eye_colour(expression="Patient.gender"))
    assert "not yet indexed" in pending(clinic, "Patient?eye-colour=male")[0]
    index(clinic)
    assert clinic.ids("Patient?eye-colour=brown") == []
    assert clinic.ids("Patient?eye-colour=male") == ["p"]


def test_a_code_has_one_definition(clinic: Clinic) -> None:
    """A second SearchParameter with the code of another is refused, in one transaction too; a code may change hands."""
    define(clinic, eye_colour())
    for second in (
        eye_colour(id="second"),
        eye_colour(id="second", base=["Person", "Patient"], expression="Person.gender | Patient.gender"),
    ):
        with pytest.raises(HealixError, match=r"Patient has .* by SearchParameter/eye-colour"):
            define(clinic, second)
    assert clinic.run("SELECT id FROM resource WHERE id = 'second'") == []
    with pytest.raises(HealixError, match="by SearchParameter/a"):
        define(clinic, eye_colour(id="a", code="x"), eye_colour(id="b", code="x"))
    define(clinic, eye_colour(code="colour"), eye_colour(id="second"))


def test_who_clashes_is_refused_alone(clinic: Clinic) -> None:
    """Of changes that are written together, each is stored or refused by itself, and defines what it says."""
    define(clinic, eye_colour())
    wanted = [eye_colour(id="second"), eye_colour(id="free", code="free"), eye_colour(id="third", code="free")]
    members = [(EVERYONE, change(Method.PUT, one, "SearchParameter", one["id"], (BASE,))) for one in wanted]
    first, second, third = transaction(clinic.pool, lambda: commit_each(members))
    assert isinstance(first, HealixError)
    assert not isinstance(second, HealixError)
    assert isinstance(third, HealixError)
    know(clinic)
    assert sorted(custom.current().pending["Patient"]) == ["eye-colour", "free"]
    found = clinic.run("SELECT id FROM resource WHERE id IN ('second', 'free', 'third')")
    assert found == [("free",)]


def test_a_type_has_so_many_at_most(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """More are refused; a place that was given up is free again, and what it held before is not found there."""
    monkeypatch.setattr("healix_fhir.store.define_parameters.PER_TYPE", 2)
    clinic.put(eyes("brown", id="p", gender="male"))
    define(clinic, eye_colour(), eye_colour(id="b", code="b", expression="Patient.gender"))
    index(clinic)
    third = eye_colour(id="c", code="c", expression="Patient.maritalStatus")
    with pytest.raises(HealixError, match="2 custom search parameters"):
        define(clinic, third)
    clinic.delete("SearchParameter", "eye-colour")
    define(clinic, third)
    index(clinic)
    assert clinic.ids("Patient?c=brown") == []
    assert clinic.ids("Patient?c=M") == ["p"]


VALUES = {
    "token": ("x-token", "Patient.extension('{url}').value", "valueCoding", {"system": "s:1", "code": "a"}, "s:1|a"),
    "string": ("x-string", "Patient.extension('{url}').value as string", "valueString", "Émile", "emi"),
    "date": ("x-date", "Patient.extension('{url}').value as date", "valueDate", "2024-05-06", "2024-05"),
    "number": ("x-number", "Patient.extension('{url}').value as decimal", "valueDecimal", 0.5, "lt0.6"),
    "quantity": ("x-quantity", "Patient.extension('{url}').value as Quantity", "valueQuantity",
                 {"value": 2, "system": UCUM, "code": "kg"}, f"2000|{UCUM}|g"),
    "uri": ("x-uri", "Patient.extension('{url}').value as uri", "valueUri", "http://x.test/a", "http://x.test/a"),
    "reference": ("x-reference", "Patient.extension('{url}').value as Reference", "valueReference",
                  {"reference": "Organization/o"}, "Organization/o"),
}  # fmt: skip
"""By type: code, expression, the extension's value and a search that finds it."""


@pytest.mark.spec("FHIR R4 search.html#ptypes")
@pytest.mark.parametrize("type_", VALUES)
def test_every_type_of_parameter_finds_its_values(clinic: Clinic, type_: str) -> None:
    """And those that have none by :missing."""
    code, expression, key, value, asked = VALUES[type_]
    url = f"http://example.org/{type_}"
    clinic.put(patient(id="has", extension=[{"url": url, key: value}]), patient(id="lacks"))
    define(clinic, search_parameter(code, type_, expression.format(url=url), "Patient"))
    index(clinic)
    assert clinic.find("Patient", [(code, asked)]) == ["has"]
    assert clinic.ids(f"Patient?{code}:missing=true") == ["lacks"]
    assert clinic.ids(f"Patient?{code}:missing=false") == ["has"]


def test_chains_sorts_and_includes_work_with_them(clinic: Clinic) -> None:
    """As with FHIR's own parameters."""
    rank, clinic_of = "http://example.org/rank", "http://example.org/clinic"
    clinic.put(
        organization(id="o", extension=[{"url": rank, "valueString": "first"}]),
        organization(id="q", extension=[{"url": rank, "valueString": "second"}]),
        *(
            patient(id=id_, extension=[{"url": EYES, "valueCode": colour},
                                       {"url": clinic_of, "valueReference": {"reference": f"Organization/{at}"}}])
            for id_, colour, at in (("a", "brown", "q"), ("b", "blue", "o"))
        ),
        observation("Patient/b", id="x"),
    )  # fmt: skip
    define(
        clinic,
        eye_colour(),
        search_parameter("rank", "string", f"Organization.extension('{rank}').value as string", "Organization"),
        search_parameter("seen-at", "reference", f"Patient.extension('{clinic_of}').value as Reference", "Patient",
                         target=["Organization"]),
    )  # fmt: skip
    assert "not yet indexed" in pending(clinic, "Patient?organization.rank=first")[0]
    assert "not yet indexed" in pending(clinic, "Organization?_has:Patient:seen-at:gender=female")[0]
    assert "not yet indexed" in pending(clinic, "Patient?_include=Patient:seen-at")[0]
    index(clinic)
    assert clinic.ids("Patient?seen-at.rank=first") == ["b"]
    assert clinic.ids("Observation?patient.seen-at.rank=first") == ["x"]
    assert clinic.ids("Organization?_has:Patient:seen-at:eye-colour=brown") == ["q"]
    assert clinic.ids("Organization?_sort=-rank") == ["q", "o"]
    assert clinic.ids("Patient?_sort=seen-at") == ["b", "a"]
    assert clinic.ids("Patient?eye-colour:not=brown") == ["b"]
    assert clinic.ids("Patient?_filter=eye-colour eq blue") == ["b"]
    assert [hit.id for hit in clinic.page("Patient?_id=a&_include=Patient:seen-at").entries] == ["a", "q"]
    assert [hit.id for hit in clinic.page("Patient?_id=a&_include=*").entries] == ["a", "q"]
    assert [hit.id for hit in clinic.page("Organization?_id=o&_revinclude=Patient:seen-at").entries] == ["o", "b"]


def test_composites(clinic: Clinic) -> None:
    """Both parts must be in one element; a component may be a custom parameter."""
    component = "Observation.component"
    clinic.put(
        *(
            observation(id=id_, component=[
                {"code": {"coding": [{"code": one}]}, "interpretation": [{"coding": [{"code": flag}]}]}
                for one, flag in pairs])
            for id_, pairs in (("x", [("a", "H"), ("b", "L")]), ("y", [("a", "L"), ("b", "H")]))
        )
    )  # fmt: skip
    define(clinic, search_parameter("flag", "token", f"{component}.interpretation", "Observation"))
    index(clinic)
    define(clinic, search_parameter("code-flag", "composite", component, "Observation", component=[
        {"definition": "http://hl7.org/fhir/SearchParameter/Observation-component-code", "expression": "code"},
        {"definition": "http://example.org/fhir/SearchParameter/flag", "expression": "interpretation"}]))  # fmt: skip
    index(clinic)
    assert clinic.ids("Observation?code-flag=a$H") == ["x"]
    clinic.delete("SearchParameter", "flag")
    know(clinic)
    assert "not yet indexed" in pending(clinic, "Observation?code-flag=a$H")[0]


def test_a_run_waits_for_those_who_do_not_know_yet(clinic: Clinic) -> None:
    """While a process works with an older generation, or a transaction of that time is open, nothing begins."""
    clinic.put(eyes("brown", id="p"))
    with clinic.pool.connection() as behind, clinic.pool.connection() as writing:
        behind.execute("SELECT pg_advisory_lock_shared(%s, 1)", (LOCK,))
        define(clinic, eye_colour())
        ((run,),) = clinic.run("SELECT id FROM reindexing WHERE state = 'waiting'")

        def state() -> str:
            found = transaction(clinic.pool, lambda: batch(run, (BASE,)))
            assert found is not None
            return found.state

        assert [state() for _ in range(4)] == [reindexing.WAITING] * 4
        with writing.transaction():
            writing.execute("SELECT pg_current_xact_id()")
            behind.execute("SELECT pg_advisory_unlock_shared(%s, 1)", (LOCK,))
            assert [state() for _ in range(5)] == [reindexing.WAITING] * 5
    assert [state() for _ in range(2)] == [reindexing.RUNNING, reindexing.FINISHED]
    know(clinic)
    assert clinic.ids("Patient?eye-colour=brown") == ["p"]


def test_what_is_defined_together_is_indexed_in_one_run(clinic: Clinic) -> None:
    """A run that has not begun takes the types of later parameters too; one of all resources serves as well."""
    define(clinic, eye_colour())
    define(clinic, search_parameter("rank", "string", "Organization.alias", "Organization"))
    assert clinic.run("SELECT cardinality(types) FROM reindexing WHERE state = 'waiting'") == [(2,)]
    index(clinic)
    assert sorted(custom.current().searchable) == ["Organization", "Patient"]
    clinic.delete("SearchParameter", "rank")
    transaction(clinic.pool, lambda: reindexing.begin(1))
    define(clinic, search_parameter("rank", "string", "Organization.alias", "Organization"))
    assert clinic.run("SELECT types FROM reindexing WHERE state = 'waiting'") == [(None,)]
    index(clinic)
    assert sorted(custom.current().searchable) == ["Organization", "Patient"]


def test_a_run_that_was_cancelled_is_begun_again(clinic: Clinic) -> None:
    """When the job worker starts; not while one is under way."""
    clinic.put(eyes("brown", id="p"))
    define(clinic, eye_colour())
    assert transaction(clinic.pool, renew) is None
    ((run,),) = clinic.run("SELECT id FROM reindexing WHERE state = 'waiting'")
    transaction(clinic.pool, lambda: reindexing.cancel(run))
    again = transaction(clinic.pool, renew)
    assert again is not None
    assert again.id != run
    index(clinic)
    assert clinic.ids("Patient?eye-colour=brown") == ["p"]
    assert transaction(clinic.pool, renew) is None


def test_without_custom_parameters_a_create_costs_as_before(clinic: Clinic) -> None:
    """The statements of a change are the same; those that a SearchParameter adds are few."""

    def cost(resource: dict[str, Any]) -> int:
        made = change(Method.POST, resource, resource["resourceType"], resource["id"], (BASE,))
        return clinic.statements(commit(EVERYONE, [made]))

    assert cost(organization(id="x")) == 1
    assert cost(eye_colour()) <= 10
